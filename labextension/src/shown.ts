/** How a state is said and drawn: never by colour alone. */

import type { LabIcon } from '@jupyterlab/ui-components';
import { refreshIcon } from '@jupyterlab/ui-components';

/** How it stands: decides the colour, which only underlines icon and words. */
export type Mood = 'good' | 'working' | 'waiting' | 'bad' | 'quiet';

export interface IShownState {
  readonly words: string;
  readonly icon: LabIcon;
  readonly mood: Mood;
}

export function shown(words: string, icon: LabIcon, mood: Mood): IShownState {
  return { words, icon, mood };
}

/** On its way to something better. */
export function waiting(words: string): IShownState {
  return shown(words, refreshIcon, 'waiting');
}
