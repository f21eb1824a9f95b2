/** How it is said that a machine is being rented, is ready, or came to nothing. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { IMachine, IRental } from './api';
import { parseDollars, shownPrice, shownSum } from './money';
import {
  earlierCost,
  rentalDetail,
  rentalName,
  rentalPurpose,
  rentalState,
  span
} from './rentalwords';

const MINUTE_MS = 60_000;

interface IProgress {
  readonly message: string;
  /** Another one when more has changed than the time. */
  readonly mark: string;
}

/** The machine can be used, and what was to be started on it has been. */
export function isReady(rental: IRental, machine: IMachine | null): boolean {
  return isEntered(rental) && machine !== null && !isStarting(machine);
}

export function progressOf(
  rental: IRental,
  machine: IMachine | null,
  now: number,
  trans: TranslationBundle
): IProgress {
  const words = isEntered(rental)
    ? startingWords(machine, trans)
    : rentalState(rental, trans).words;
  const step = rental.step?.kind === rental.stage ? rental.step : null;
  const text = step?.text ?? rentalDetail(rental, trans);
  const time = step ? ` ${duration(now - Date.parse(step.at), trans)}` : '';
  const parts = [rentalPurpose(rental), `${words}${time}`, text];
  return {
    message: parts.filter(Boolean).join(' · '),
    mark: `${words} ${text}`
  };
}

export function readiness(
  rental: IRental,
  now: number,
  trans: TranslationBundle
): string {
  const name = rentalName(rental, trans);
  const time = duration(now - Date.parse(rental.asked), trans);
  const price = shownPrice(rental.attempt?.price_per_hour ?? '');
  const ready = rental.attempt?.pretend
    ? trans.__('%1: ready after %2, %3 per hour (pretend)', name, time, price)
    : trans.__('%1: ready after %2, %3 per hour', name, time, price);
  return [ready, rental.tried].filter(Boolean).join(' · ');
}

/** What is billed comes first: a long message is cut. */
export function endOfStart(
  rental: IRental,
  isCancelled: boolean,
  trans: TranslationBundle
): string {
  const purpose = rentalPurpose(rental);
  const last = parseDollars(rental.attempt?.cost ?? '0');
  const cost = earlierCost(rental) + last;
  const bill =
    cost > 0n
      ? trans.__('It cost %1, and nothing is billed any more.', shownSum(cost))
      : trans.__('Nothing is billed.');
  return isCancelled
    ? trans.__('%1 · Cancelled. %2', purpose, bill)
    : trans.__('%1 · Not rented. %2 %3', purpose, bill, rental.closed_because);
}

function isEntered({ stage }: IRental): boolean {
  return stage === 'ready' || stage === 'in_use';
}

function isStarting(machine: IMachine): boolean {
  return machine.kernels.some(({ state }) => state === 'starting');
}

/** A kernel has a number when its process runs; before that its Python is looked for, or made. */
function startingWords(
  machine: IMachine | null,
  trans: TranslationBundle
): string {
  const hasProcess = machine?.kernels.some(
    ({ state, pid }) => state === 'starting' && pid !== null
  );
  return hasProcess ? trans.__('Starting the kernel…') : trans.__('Preparing…');
}

function duration(ms: number, trans: TranslationBundle): string {
  return ms < MINUTE_MS
    ? trans.__('%1 s', Math.max(0, Math.round(ms / 1000)))
    : span(ms, trans);
}
