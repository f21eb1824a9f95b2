/** What the buttons of the panel do: ask first where something is lost, and say it when something fails. */

import type { ISessionContext } from '@jupyterlab/apputils';
import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { KernelSpec } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';

import { EXTENSION_MINUTES } from './account';
import type { IKernel, IMachine, IProfile, IRental } from './api';
import { lossOnEnd } from './loss';
import type { ComputeModel } from './model';
import { currentAttempt, rentalName } from './rentalwords';
import { kernelName, lossOnStop } from './words';

export interface IActions {
  refresh(): void;
  newNotebook(profile: IProfile): void;
  newNotebookOn(machine: IMachine): void;
  openNotebook(kernel: IKernel): void;
  stop(kernel: IKernel, machine: IMachine): void;
  openLog(kernel: IKernel): void;
  endRental(rental: IRental): void;
  extendRental(rental: IRental): void;
}

const NEW_NOTEBOOK = 'notebook:create-new';
const OPEN = 'docmanager:open';

export class Actions implements IActions {
  constructor(
    private readonly _model: ComputeModel,
    private readonly _commands: CommandRegistry,
    private readonly _kernelspecs: Pick<KernelSpec.IManager, 'refreshSpecs'>,
    private readonly _trans: TranslationBundle
  ) {}

  refresh(): void {
    void this._model.refresh();
  }

  newNotebook(profile: IProfile): void {
    this._orTell(this._newNotebook(profile));
  }

  /** For a machine that has no profile yet: it gets one first. */
  newNotebookOn(machine: IMachine): void {
    this._orTell(this._newNotebookOn(machine));
  }

  /** The kernel's own one where it is still there, else a new one. */
  openNotebook(kernel: IKernel): void {
    this._orTell(this._openNotebook(kernel));
  }

  stop(kernel: IKernel, machine: IMachine): void {
    this._orTell(this._stop(kernel, machine));
  }

  openLog(kernel: IKernel): void {
    this._orTell(this._openLog(kernel));
  }

  endRental(rental: IRental): void {
    this._orTell(this._endRental(rental));
  }

  /** Without asking: nothing can be lost yet. */
  cancelRental(rental: IRental): void {
    this._orTell(this._model.endRental(rental));
  }

  extendRental(rental: IRental): void {
    this._orTell(this._model.extendRental(rental, EXTENSION_MINUTES));
  }

  private async _newNotebook(profile: IProfile): Promise<void> {
    await this._commands.execute(NEW_NOTEBOOK, {
      kernelName: profile.kernel_name
    });
  }

  private async _newNotebookOn(machine: IMachine): Promise<void> {
    const profile = await this._model.addProfile(machine);
    await this._kernelspecs.refreshSpecs(); // a notebook asks which kernel to take when it does not know this one
    await this._newNotebook(profile);
  }

  private async _openNotebook(kernel: IKernel): Promise<void> {
    const { kernel_id, path } = await this._model.adopt(kernel);
    if (!path) {
      await this._commands.execute(NEW_NOTEBOOK, { kernelId: kernel_id });
      return;
    }
    const notebook = (await this._commands.execute(OPEN, {
      path,
      factory: 'Notebook',
      kernel: { id: kernel_id }
    })) as { sessionContext: ISessionContext } | undefined;
    const context = notebook?.sessionContext;
    await context?.ready;
    if (context && context.session?.kernel?.id !== kernel_id) {
      await context.changeKernel({ id: kernel_id }); // it was open already, without a kernel
    }
  }

  private async _stop(kernel: IKernel, machine: IMachine): Promise<void> {
    const name = kernelName(kernel, this._trans);
    const keep = Dialog.cancelButton({
      label: this._trans.__('Keep it running')
    });
    const stop = Dialog.warnButton({ label: this._trans.__('Stop kernel') });
    const answer = await showDialog({
      title: this._trans.__('Stop the kernel of %1?', name),
      body: lossOnStop(kernel, machine, this._trans),
      buttons: [keep, stop],
      defaultButton: 0
    });
    if (answer.button.accept) {
      await this._model.stop(kernel);
    }
  }

  private async _endRental(rental: IRental): Promise<void> {
    const isMachine = currentAttempt(rental) !== null;
    const keep = Dialog.cancelButton({
      label: isMachine ? this._trans.__('Keep it') : this._trans.__('Search on')
    });
    const stop = Dialog.warnButton({
      label: isMachine
        ? this._trans.__('Stop and delete it')
        : this._trans.__('Stop')
    });
    const answer = await showDialog({
      title: this._trans.__('Stop %1?', rentalName(rental, this._trans)),
      body: lossOnEnd(rental, this._model, this._trans),
      buttons: [keep, stop],
      defaultButton: 0
    });
    if (answer.button.accept) {
      await this._model.endRental(rental);
    }
  }

  private async _openLog(kernel: IKernel): Promise<void> {
    const log = await this._model.log(kernel);
    const body = new Widget({ node: document.createElement('pre') });
    body.addClass('jp-GpuBridge-log');
    body.node.tabIndex = 0; // so that the keyboard can scroll it
    body.node.textContent = log || this._trans.__('Nothing was logged.');
    await showDialog({
      title: this._trans.__('Log of %1', kernelName(kernel, this._trans)),
      body,
      buttons: [Dialog.cancelButton({ label: this._trans.__('Close') })]
    });
  }

  private _orTell(done: Promise<unknown>): void {
    done.catch((error: unknown) => {
      Notification.error(
        error instanceof Error ? error.toString() : String(error),
        { autoClose: false }
      );
    });
  }
}
