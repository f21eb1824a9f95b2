/** How machines and kernels are said: their names, how they stand, what is lost with them. */

import type { TranslationBundle } from '@jupyterlab/translation';
import {
  checkIcon,
  circleEmptyIcon,
  circleIcon,
  closeIcon,
  errorIcon,
  offlineBoltIcon,
  pauseIcon
} from '@jupyterlab/ui-components';

import type { IKernel, IMachine } from './api';
import type { IShownState } from './shown';
import { shown, waiting } from './shown';

export function machineState(
  machine: IMachine,
  trans: TranslationBundle
): IShownState {
  switch (machine.state) {
    case 'asleep':
      return shown(
        machine.provider === 'local'
          ? trans.__('Not in use')
          : trans.__('Not connected'),
        pauseIcon,
        'quiet'
      );
    case 'connecting':
      return waiting(trans.__('Connecting…'));
    case 'connected':
      return shown(trans.__('Connected'), checkIcon, 'good');
    case 'reconnecting':
      return waiting(trans.__('Reconnecting…'));
    case 'failed':
      return shown(trans.__('Failed'), errorIcon, 'bad');
  }
}

/** What is wrong or in progress; behind a cut also what a person fears for. */
export function machineDetail(
  machine: IMachine,
  trans: TranslationBundle
): string {
  const goesOn =
    machine.state === 'reconnecting' && machine.kernels.length > 0
      ? trans.__('The kernels go on meanwhile; nothing they say is lost.')
      : '';
  return [machine.detail, goesOn].filter(Boolean).join(' ');
}

/** A kernel that we cannot reach is not dead: while its machine comes back, so does the kernel. */
export function kernelState(
  kernel: IKernel,
  machine: IMachine,
  trans: TranslationBundle
): IShownState {
  switch (kernel.state) {
    case 'starting':
      return waiting(trans.__('Starting…'));
    case 'idle':
      return shown(trans.__('Idle'), circleEmptyIcon, 'quiet');
    case 'busy':
      return shown(trans.__('Busy'), circleIcon, 'working');
    case 'stopping':
      return waiting(trans.__('Stopping…'));
    case 'dead':
      return shown(trans.__('Dead'), closeIcon, 'bad');
    case 'unreachable':
      return machine.state === 'reconnecting' || machine.state === 'connecting'
        ? waiting(trans.__('Reconnecting…'))
        : shown(trans.__('Out of reach'), offlineBoltIcon, 'waiting');
  }
}

/** What a person calls the kernel: its notebook, or the start of its id. */
export function kernelName(kernel: IKernel, trans: TranslationBundle): string {
  const file = kernel.path.slice(kernel.path.lastIndexOf('/') + 1);
  return file || trans.__('Kernel %1', kernel.kernel_id.slice(0, 8));
}

/** What is lost when the kernel is stopped. */
export function lossOnStop(
  kernel: IKernel,
  machine: IMachine,
  trans: TranslationBundle
): string {
  const variables = trans.__(
    'All variables and everything else in its memory are lost (machine: %1).',
    machine.title
  );
  const files = trans.__('Notebooks and files stay.');
  if (kernel.state !== 'busy') {
    return [variables, files].join(' ');
  }
  const cell = trans.__('It is running a cell now, which is broken off.');
  return [cell, variables, files].join(' ');
}
