/** The plugins of jupyter-gpu-bridge: the Compute panel in the left sidebar, notices, and what keeps outputs from being shown twice. */

import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Actions } from './actions';
import { ComputeApi } from './api';
import { computeIcon } from './icons';
import { ComputeModel } from './model';
import { showNotices } from './notices';
import { isOurs, Repeats } from './repeats';
import { Starts } from './starts';
import { ComputePanel, PANEL_ID } from './view';

const OPEN_PANEL = 'jupyter-gpu-bridge:open-panel';

const panel: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-gpu-bridge:panel',
  description: 'The Compute panel: your machines and their kernels.',
  autoStart: true,
  optional: [ILayoutRestorer, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ): void => {
    const { commands, serviceManager, shell } = app;
    const trans = (translator ?? nullTranslator).load('jupyter_gpu_bridge');

    const model: ComputeModel = new ComputeModel({
      api: new ComputeApi(serviceManager.serverSettings, trans),
      events: serviceManager.events,
      isWatched: () => widget.isVisible || starts.isWaiting
    });
    const actions = new Actions(
      model,
      commands,
      serviceManager.kernelspecs,
      trans
    );
    const widget = new ComputePanel(model, actions, trans);
    const starts = new Starts(
      model,
      {
        cancelRental: rental => actions.cancelRental(rental),
        showPanel: () => shell.activateById(PANEL_ID)
      },
      trans
    );
    widget.disposed.connect(() => {
      starts.dispose();
      model.dispose();
    });
    model.profilesChanged.connect(() => {
      void serviceManager.kernelspecs.refreshSpecs();
    });

    shell.add(widget, 'left', { rank: 205, type: 'Compute' });
    restorer?.add(widget, PANEL_ID);

    commands.addCommand(OPEN_PANEL, {
      label: trans.__('Show the Compute Panel'),
      caption: trans.__('Your machines and their kernels'),
      icon: computeIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => shell.activateById(PANEL_ID)
    });
    palette?.addItem({ command: OPEN_PANEL, category: trans.__('Compute') });
  }
};

const notices: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-gpu-bridge:notices',
  description: 'Says what the server tells of kernels: what waits, and why.',
  autoStart: true,
  activate: (app: JupyterFrontEnd): void => {
    showNotices(app.serviceManager.events);
  }
};

const repeats: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-gpu-bridge:repeats',
  description: 'Shows an output once that a killed server has left in doubt.',
  autoStart: true,
  optional: [INotebookTracker, IConsoleTracker],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker | null,
    consoles: IConsoleTracker | null
  ): void => {
    const { kernelspecs } = app.serviceManager;
    const guard = new Repeats(name =>
      isOurs(kernelspecs.specs?.kernelspecs[name])
    );
    for (const tracker of [notebooks, consoles]) {
      tracker?.forEach(widget => guard.watch(widget.sessionContext));
      tracker?.widgetAdded.connect((_, widget) =>
        guard.watch(widget.sessionContext)
      );
    }
  }
};

export default [panel, notices, repeats];
