/** One kernel: which notebook, how it stands, since when, and the way to end it. */

import { Time } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';
import {
  notebookIcon,
  stopIcon,
  textEditorIcon
} from '@jupyterlab/ui-components';
import React from 'react';

import type { IActions } from './actions';
import type { IKernel, IMachine } from './api';
import { State } from './state';
import { kernelName, kernelState } from './words';

interface IKernelProps {
  readonly kernel: IKernel;
  readonly machine: IMachine;
  readonly isStopping: boolean;
  readonly actions: IActions;
  readonly trans: TranslationBundle;
}

export function KernelItem(props: IKernelProps): React.ReactElement {
  const { kernel, machine, isStopping, actions, trans } = props;
  const name = kernelName(kernel, trans);
  return (
    <li className="jp-GpuBridge-kernel">
      <div className="jp-GpuBridge-kernelHead">
        <h4 title={kernel.path || kernel.kernel_id}>{name}</h4>
        <button
          type="button"
          className="jp-GpuBridge-iconButton"
          title={trans.__('Log of %1', name)}
          aria-label={trans.__('Log of %1', name)}
          onClick={() => actions.openLog(kernel)}
        >
          <textEditorIcon.react tag="span" aria-hidden="true" />
        </button>
        <button
          type="button"
          className="jp-GpuBridge-iconButton"
          title={trans.__('Stop the kernel of %1', name)}
          aria-label={trans.__('Stop the kernel of %1', name)}
          aria-disabled={isStopping}
          onClick={() => {
            // Not `disabled`: a button that vanishes from under the keyboard takes the focus with it.
            if (!isStopping) {
              actions.stop(kernel, machine);
            }
          }}
        >
          <stopIcon.react tag="span" aria-hidden="true" />
        </button>
      </div>
      <div className="jp-GpuBridge-standing">
        <State shown={kernelState(kernel, machine, trans)} />
        {isStopping && <span role="status">{trans.__('Stopping…')}</span>}
      </div>
      <Facts {...props} />
      {kernel.detail && <p className="jp-GpuBridge-detail">{kernel.detail}</p>}
      {canBeOpened(kernel) && <OpenNotebook {...props} />}
    </li>
  );
}

function OpenNotebook({
  kernel,
  actions,
  trans
}: IKernelProps): React.ReactElement {
  const label = trans.__(
    'Open a notebook on it (%1)',
    kernelName(kernel, trans)
  );
  return (
    <div>
      <button
        type="button"
        className="jp-GpuBridge-button"
        title={label}
        aria-label={label}
        onClick={() => actions.openNotebook(kernel)}
      >
        <notebookIcon.react tag="span" aria-hidden="true" />
        <span className="jp-GpuBridge-label">
          {trans.__('Open a notebook on it')}
        </span>
      </button>
    </div>
  );
}

/** It runs, and nobody has it. */
function canBeOpened(kernel: IKernel): boolean {
  return !kernel.attached && !kernel.foreign && kernel.state !== 'dead';
}

function Facts({ kernel, trans }: IKernelProps): React.ReactElement {
  return (
    <ul className="jp-GpuBridge-facts">
      <li>
        {kernel.attached
          ? trans.__('attached')
          : trans.__('no notebook attached')}
      </li>
      {kernel.profile && <li>{kernel.profile}</li>}
      {kernel.pid !== null && <li>{trans.__('pid %1', kernel.pid)}</li>}
      {kernel.started && (
        <li>
          <time
            dateTime={kernel.started}
            title={new Date(kernel.started).toLocaleString()}
          >
            {trans.__('started %1', Time.formatHuman(kernel.started))}
          </time>
        </li>
      )}
    </ul>
  );
}
