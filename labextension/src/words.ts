/** How the states are said and drawn: never by colour alone. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';
import {
  checkIcon,
  circleEmptyIcon,
  circleIcon,
  closeIcon,
  errorIcon,
  offlineBoltIcon,
  pauseIcon,
  refreshIcon
} from '@jupyterlab/ui-components';

import type { IKernel, IMachine } from './api';

/** How it stands: decides the colour, which only underlines icon and words. */
export type Mood = 'good' | 'working' | 'waiting' | 'bad' | 'quiet';

export interface IShownState {
  readonly words: string;
  readonly icon: LabIcon;
  readonly mood: Mood;
}

export function machineState(
  machine: IMachine,
  trans: TranslationBundle
): IShownState {
  switch (machine.state) {
    case 'asleep':
      return {
        words:
          machine.provider === 'local'
            ? trans.__('Not in use')
            : trans.__('Not connected'),
        icon: pauseIcon,
        mood: 'quiet'
      };
    case 'connecting':
      return {
        words: trans.__('Connecting…'),
        icon: refreshIcon,
        mood: 'waiting'
      };
    case 'connected':
      return { words: trans.__('Connected'), icon: checkIcon, mood: 'good' };
    case 'reconnecting':
      return {
        words: trans.__('Reconnecting…'),
        icon: refreshIcon,
        mood: 'waiting'
      };
    case 'failed':
      return { words: trans.__('Failed'), icon: errorIcon, mood: 'bad' };
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
      return {
        words: trans.__('Starting…'),
        icon: refreshIcon,
        mood: 'waiting'
      };
    case 'idle':
      return { words: trans.__('Idle'), icon: circleEmptyIcon, mood: 'quiet' };
    case 'busy':
      return { words: trans.__('Busy'), icon: circleIcon, mood: 'working' };
    case 'stopping':
      return {
        words: trans.__('Stopping…'),
        icon: refreshIcon,
        mood: 'waiting'
      };
    case 'dead':
      return { words: trans.__('Dead'), icon: closeIcon, mood: 'bad' };
    case 'unreachable':
      return machine.state === 'reconnecting' || machine.state === 'connecting'
        ? {
            words: trans.__('Reconnecting…'),
            icon: refreshIcon,
            mood: 'waiting'
          }
        : {
            words: trans.__('Out of reach'),
            icon: offlineBoltIcon,
            mood: 'waiting'
          };
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
