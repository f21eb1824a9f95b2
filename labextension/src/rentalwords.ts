/** How a rental is said: its name, how far it is, its times. */

import type { TranslationBundle } from '@jupyterlab/translation';
import {
  checkIcon,
  circleIcon,
  closeIcon,
  errorIcon,
  searchIcon
} from '@jupyterlab/ui-components';

import type { IAttempt, IRental } from './api';
import type { Micros } from './money';
import { parseDollars, shownSum } from './money';
import type { IShownState } from './shown';
import { shown, waiting } from './shown';

const MINUTE_MS = 60_000;

/** What it is for: the name of a profile, or one that was given. */
export function rentalPurpose(rental: IRental): string {
  return rental.key.slice(rental.key.indexOf(':') + 1);
}

/** What is rented now, or was last; while another one is searched for, nothing is. */
export function currentAttempt(rental: IRental): IAttempt | null {
  return rental.stage === 'searching' ? null : rental.attempt;
}

/** What attempts before the one that is shown have cost. */
export function earlierCost(rental: IRental): Micros {
  return parseDollars(rental.earlier_cost ?? '0');
}

export function rentalName(rental: IRental, trans: TranslationBundle): string {
  const attempt = currentAttempt(rental);
  return attempt === null
    ? trans.__('A machine for %1', rentalPurpose(rental))
    : trans.__('%1 · %2', attempt.title, attempt.provider);
}

/** For whoever hears a button without seeing where it is: two may be rented of the same kind. */
export function rentalFullName(
  rental: IRental,
  trans: TranslationBundle
): string {
  const name = rentalName(rental, trans);
  return currentAttempt(rental) === null
    ? name
    : trans.__('%1 (%2)', name, rentalPurpose(rental));
}

export function rentalState(
  rental: IRental,
  trans: TranslationBundle
): IShownState {
  switch (rental.stage) {
    case 'searching':
      return shown(trans.__('Searching…'), searchIcon, 'waiting');
    case 'renting':
      return waiting(trans.__('Renting…'));
    case 'booting':
      return isFound(rental)
        ? shown(trans.__('Found running'), errorIcon, 'bad')
        : waiting(trans.__('Booting…'));
    case 'connecting':
      return waiting(trans.__('Connecting…'));
    case 'ready':
      return shown(trans.__('Ready'), checkIcon, 'good');
    case 'in_use':
      return shown(trans.__('In use'), circleIcon, 'working');
    case 'ending':
      return waiting(trans.__('Being ended…'));
    case 'gone':
      return shown(trans.__('Gone'), closeIcon, 'quiet');
  }
}

/** Of a team's ledger: its kernels and keys are on another computer. */
export function rentedElsewhere(
  rental: IRental,
  trans: TranslationBundle
): string {
  const by = rental.asked_by || trans.__('somebody');
  return trans.__('Rented elsewhere, by %1.', by);
}

/** Its warden is dead: limits are not kept by us, and costs are an estimate. */
export function unwatched(since: string, trans: TranslationBundle): string {
  return trans.__(
    'It is not looked after since %1, and its cost is an estimate. See: jupyter gpu guard',
    new Date(since).toLocaleString()
  );
}

/** What a person may fear at this stage, as sentences. */
export function rentalDetail(
  rental: IRental,
  trans: TranslationBundle
): string {
  const { stage, attempt, closed_because } = rental;
  if (stage === 'ending') {
    const wait = trans.__(
      'It counts as running until the provider confirms that it is gone.'
    );
    return [closed_because || attempt?.reason, wait].filter(Boolean).join(' ');
  }
  if (stage === 'gone') {
    return closed_because || attempt?.reason || '';
  }
  if (stage === 'searching' && attempt?.reason) {
    const cost = earlierCost(rental) + parseDollars(attempt.cost);
    return [
      trans.__('The last one came to nothing: %1', attempt.reason),
      cost ? trans.__('It cost %1.', shownSum(cost)) : ''
    ]
      .filter(Boolean)
      .join(' ');
  }
  return attempt?.state === 'unknown'
    ? trans.__(
        'The answer of the provider was lost. Whether there is a machine is being found out.'
      )
    : '';
}

/** A span in words, cut to its two largest parts: never more than is left. */
export function span(ms: number, trans: TranslationBundle): string {
  const minutes = Math.floor(ms / MINUTE_MS);
  const hours = Math.floor(minutes / 60);
  if (minutes < 1) {
    return trans.__('less than a minute');
  }
  if (hours < 1) {
    return trans.__('%1 min', minutes);
  }
  return hours < 48
    ? trans.__('%1 h %2 min', hours, minutes % 60)
    : trans.__('%1 d %2 h', Math.floor(hours / 24), hours % 24);
}

/** It runs, and the ledger knew nothing of it. */
function isFound(rental: IRental): boolean {
  return rental.key.startsWith('found:');
}
