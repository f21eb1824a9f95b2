/** What a rental has cost at a moment: counted by the ledger up to a time, and by its price from there on. */

import type { IAttempt } from './api';
import type { Micros } from './money';
import { during, lasts, least, parseDollars, percentOf } from './money';

export const EXTENSION_MINUTES = 30;

const MINUTE_MS = 60_000;
const WARN_AT_PERCENT = 80;
const WARN_MINUTES = 10;

/** A machine that is there, or may be: its cost grows until the provider has confirmed its end. */
const BILLED = ['created', 'reachable', 'in_use', 'releasing'];

/** All for the moment that it was made for, in milliseconds of the server's clock. */
export class Account {
  constructor(
    private readonly _attempt: IAttempt,
    private readonly _now: number,
    private readonly _earlier: Micros = 0n
  ) {}

  /** With what earlier attempts have cost, which could not be used and are paid all the same. */
  get cost(): Micros {
    return isGrowing(this._attempt)
      ? this._costAt(this._now)
      : this._earlier + parseDollars(this._attempt.cost);
  }

  /** Of all attempts: each has what earlier ones have left. */
  get budget(): Micros | null {
    return this._attempt.budget === null
      ? null
      : this._earlier + parseDollars(this._attempt.budget);
  }

  /** How much of the budget is used; `null` without one. */
  get budgetPercent(): number | null {
    return this.budget === null ? null : percentOf(this.cost, this.budget);
  }

  get isBudgetLow(): boolean {
    return (this.budgetPercent ?? 0) >= WARN_AT_PERCENT;
  }

  /** Milliseconds to the deadline; none are left when it is negative. */
  get left(): number {
    return Date.parse(this._attempt.deadline) - this._now;
  }

  get isTimeLow(): boolean {
    return this.left < WARN_MINUTES * MINUTE_MS;
  }

  /** Milliseconds for which the budget lasts, where it ends the machine before the deadline does. */
  get budgetLeft(): number | null {
    const { budget } = this;
    const left =
      budget === null ? null : lasts(budget - this.cost, this._price);
    return left !== null && left < this.left ? left : null;
  }

  /** By how much an extension makes the largest possible bill larger. */
  get priceOfExtension(): Micros {
    const deadline = Date.parse(this._attempt.deadline);
    const later = deadline + EXTENSION_MINUTES * MINUTE_MS;
    return this._largestBill(later) - this._largestBill(deadline);
  }

  private get _price(): Micros {
    return parseDollars(this._attempt.price_per_hour);
  }

  private _largestBill(until: number): Micros {
    const bill = this._costAt(until);
    return this.budget === null ? bill : least(bill, this.budget);
  }

  /** If it is billed until then. */
  private _costAt(moment: number): Micros {
    const { cost, cost_as_of, requested } = this._attempt;
    const since = cost_as_of ?? requested; // as the ledger: from the request on
    const uncounted = moment - (since === null ? this._now : Date.parse(since));
    const counted = this._earlier + parseDollars(cost);
    return counted + during(this._price, uncounted);
  }
}

export function isGrowing(attempt: IAttempt): boolean {
  return BILLED.includes(attempt.state);
}
