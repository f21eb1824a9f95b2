/** One machine: how it stands, what can be started on it, and its kernels. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { addIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { IActions } from './actions';
import type { IMachine } from './api';
import { KernelItem } from './kernel';
import type { ComputeModel } from './model';
import { State } from './state';
import { machineDetail, machineState } from './words';

interface IMachineProps {
  readonly machine: IMachine;
  readonly model: ComputeModel;
  readonly actions: IActions;
  readonly trans: TranslationBundle;
}

export function MachineItem(props: IMachineProps): React.ReactElement {
  return (
    <li className="jp-GpuBridge-machine">
      <h3>{props.machine.title}</h3>
      <div className="jp-GpuBridge-standing">
        <MachineStanding {...props} />
      </div>
      <MachineWork {...props} />
    </li>
  );
}

export function MachineStanding({
  machine,
  trans
}: Pick<IMachineProps, 'machine' | 'trans'>): React.ReactElement {
  return (
    <>
      <State shown={machineState(machine, trans)} isAnnounced />
      <Connection machine={machine} trans={trans} />
    </>
  );
}

/** What is wrong with it, what can be started on it, and what runs there. */
export function MachineWork(props: IMachineProps): React.ReactElement {
  const { machine, model, actions, trans } = props;
  const detail = machineDetail(machine, trans);
  return (
    <>
      {detail && <p className="jp-GpuBridge-detail">{detail}</p>}
      <NewNotebook {...props} />
      {machine.kernels.length > 0 && (
        <ul
          className="jp-GpuBridge-kernels"
          aria-label={trans.__('Kernels on %1', machine.title)}
        >
          {machine.kernels.map(kernel => (
            <KernelItem
              key={kernel.kernel_id}
              kernel={kernel}
              machine={machine}
              isStopping={model.isStopping(kernel)}
              actions={actions}
              trans={trans}
            />
          ))}
        </ul>
      )}
    </>
  );
}

function Connection({
  machine,
  trans
}: Pick<IMachineProps, 'machine' | 'trans'>): React.ReactElement | null {
  if (machine.state !== 'connected' || machine.round_trip_ms === null) {
    return null;
  }
  return (
    <span
      className="jp-GpuBridge-quiet"
      title={
        machine.carrier
          ? trans.__('Round trip, carried by %1', machine.carrier)
          : trans.__('Round trip')
      }
    >
      {trans.__('%1 ms', machine.round_trip_ms.toFixed(1))}
    </span>
  );
}

/** One button when there is one profile, or none yet; with several, each button says which. */
function NewNotebook({
  machine,
  actions,
  trans
}: IMachineProps): React.ReactElement {
  if (machine.profiles.length === 0) {
    const label = trans.__('New notebook here (%1)', machine.title);
    return (
      <div className="jp-GpuBridge-profiles">
        <button
          type="button"
          className="jp-GpuBridge-button"
          title={label}
          aria-label={label}
          onClick={() => actions.newNotebookOn(machine)}
        >
          <addIcon.react tag="span" aria-hidden="true" />
          <span className="jp-GpuBridge-label">
            {trans.__('New notebook here')}
          </span>
        </button>
      </div>
    );
  }
  return (
    <ul
      className="jp-GpuBridge-profiles"
      aria-label={trans.__('Profiles of %1', machine.title)}
    >
      {machine.profiles.map(profile => (
        <li key={profile.kernel_name}>
          <button
            type="button"
            className="jp-GpuBridge-button"
            title={trans.__('New notebook on %1', profile.display_name)}
            aria-label={trans.__('New notebook on %1', profile.display_name)}
            onClick={() => actions.newNotebook(profile)}
          >
            <addIcon.react tag="span" aria-hidden="true" />
            <span className="jp-GpuBridge-label">
              {machine.profiles.length === 1
                ? trans.__('New notebook')
                : trans.__('New notebook on %1', profile.display_name)}
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}
