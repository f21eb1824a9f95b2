/** The panel: a heading, a notice where something is wrong, what is rented, and the machines. */

import { Time } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { refreshIcon, VDomRenderer } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import React from 'react';

import type { IActions } from './actions';
import { computeIcon } from './icons';
import { MachineItem } from './machine';
import type { ComputeModel } from './model';
import { RentalItem } from './rental';

export const PANEL_ID = 'jupyter-gpu-bridge';

const ADD_HOST = 'jupyter gpu hosts add mybox me@mybox.example.org';

export class ComputePanel extends VDomRenderer<ComputeModel> {
  constructor(
    model: ComputeModel,
    private readonly _actions: IActions,
    private readonly _trans: TranslationBundle
  ) {
    super(model);
    this.id = PANEL_ID;
    this.title.icon = computeIcon;
    this.title.caption = this._trans.__('Compute');
    this.addClass('jp-GpuBridge-panel');
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._actions.refresh();
  }

  protected override render(): React.ReactElement {
    return (
      <ComputeView
        model={this.model}
        actions={this._actions}
        trans={this._trans}
      />
    );
  }
}

interface IViewProps {
  readonly model: ComputeModel;
  readonly actions: IActions;
  readonly trans: TranslationBundle;
}

function ComputeView(props: IViewProps): React.ReactElement {
  const { actions, trans } = props;
  return (
    <section className="jp-GpuBridge" aria-label={trans.__('Compute')}>
      <header className="jp-GpuBridge-header">
        <h2>{trans.__('Compute')}</h2>
        <button
          type="button"
          className="jp-GpuBridge-iconButton"
          aria-label={trans.__('Refresh the machines')}
          title={trans.__('Refresh the machines')}
          onClick={() => actions.refresh()}
        >
          <refreshIcon.react tag="span" aria-hidden="true" />
        </button>
      </header>
      <ProblemNotice {...props} />
      <Machines {...props} />
    </section>
  );
}

function ProblemNotice({
  model,
  trans
}: IViewProps): React.ReactElement | null {
  const { asOf, problem } = model;
  if (!problem) {
    return null;
  }
  return (
    <div className="jp-GpuBridge-notice">
      <div role="alert">
        <p>{problem.message}</p>
        {problem.advice && <p>{problem.advice}</p>}
      </div>
      {asOf && (
        <p className="jp-GpuBridge-stale">
          {trans.__(
            'What you see below is from %1 (%2).',
            asOf.toLocaleTimeString(),
            Time.formatHuman(asOf)
          )}
        </p>
      )}
    </div>
  );
}

function Machines({
  model,
  actions,
  trans
}: IViewProps): React.ReactElement | null {
  const { snapshot, problem } = model;
  if (!snapshot) {
    return problem ? null : (
      <p className="jp-GpuBridge-quiet" role="status">
        {trans.__('Looking for your machines…')}
      </p>
    );
  }
  const { rentals } = snapshot;
  const rented = new Set(rentals.map(rental => rental.machine));
  const machines = snapshot.machines.filter(({ ref }) => !rented.has(ref));
  const hasOwnHost = machines.some(machine => machine.provider === 'ssh');
  const isFirst = machines.length + rentals.length === 0;
  return (
    <>
      {rentals.length > 0 && (
        <ul
          className="jp-GpuBridge-rentals"
          aria-label={trans.__('Rented machines')}
        >
          {rentals.map(rental => (
            <RentalItem
              key={rental.id}
              rental={rental}
              model={model}
              actions={actions}
              trans={trans}
            />
          ))}
        </ul>
      )}
      {machines.length > 0 && (
        <ul className="jp-GpuBridge-machines" aria-label={trans.__('Machines')}>
          {machines.map(machine => (
            <MachineItem
              key={machine.ref}
              machine={machine}
              model={model}
              actions={actions}
              trans={trans}
            />
          ))}
        </ul>
      )}
      {!hasOwnHost && <AddHost isFirst={isFirst} trans={trans} />}
    </>
  );
}

function AddHost(props: {
  readonly isFirst: boolean;
  readonly trans: TranslationBundle;
}): React.ReactElement {
  const { isFirst, trans } = props;
  return (
    <div className="jp-GpuBridge-addHost">
      <p>
        {isFirst
          ? trans.__(
              'No machine yet. Add one that you reach by SSH, in a terminal:'
            )
          : trans.__(
              'Have a GPU elsewhere? Add a host that you reach by SSH, in a terminal:'
            )}
      </p>
      <pre tabIndex={0}>
        <code>{ADD_HOST}</code>
      </pre>
    </div>
  );
}
