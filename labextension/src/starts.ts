/** What is being rented since this page was opened: how far it is, in a notification that can end it. */

import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';

import type { IRental } from './api';
import type { ComputeModel } from './model';
import { endOfStart, isReady, progressOf, readiness } from './startwords';

const TICK_MS = 5_000; // each change is read out by screen readers
const READ_WITHIN_MS = 15_000;

export interface IStartActions {
  cancelRental(rental: IRental): void;
  showPanel(): void;
}

interface IStart {
  readonly notification: string;
  /** Of what was told last. */
  mark: string;
  isCancelled: boolean;
}

export class Starts {
  constructor(
    private readonly _model: ComputeModel,
    private readonly _actions: IStartActions,
    private readonly _trans: TranslationBundle
  ) {
    _model.stateChanged.connect(this._look, this);
  }

  /** Whether somebody waits for a machine. */
  get isWaiting(): boolean {
    return this._starts.size > 0;
  }

  dispose(): void {
    clearInterval(this._ticks);
    Signal.clearData(this);
  }

  private _look(): void {
    for (const rental of this._model.snapshot?.rentals ?? []) {
      if (!this._over.has(rental.id) && this._isOfThisPage(rental)) {
        this._tell(rental);
      }
    }
    clearInterval(this._ticks);
    if (this.isWaiting) {
      this._ticks = setInterval(() => this._look(), TICK_MS);
    }
  }

  /** After a reload those that were begun before are in the panel alone. */
  private _isOfThisPage(rental: IRental): boolean {
    const open = Date.now() - this._opened;
    return Date.parse(rental.asked) >= this._model.now() - open;
  }

  private _tell(rental: IRental): void {
    const start = this._starts.get(rental.id) ?? this._begin(rental);
    start.isCancelled ||= this._model.isEnding(rental);
    if (!Notification.manager.has(start.notification)) {
      this._end(rental); // the user has put it away
    } else if (rental.stage === 'gone') {
      this._tellEnd(rental, start);
    } else if (isReady(rental, this._model.machineOf(rental))) {
      this._tellReady(rental, start);
    } else {
      this._tellProgress(rental, start);
    }
  }

  private _begin(rental: IRental): IStart {
    const notification = Notification.emit('', 'in-progress', { autoClose: 0 });
    const start = { notification, mark: '', isCancelled: false };
    this._starts.set(rental.id, start);
    return start;
  }

  private _end(rental: IRental): void {
    this._starts.delete(rental.id);
    this._over.add(rental.id);
  }

  private _tellProgress(rental: IRental, start: IStart): void {
    const isEnding = this._model.isEnding(rental) || rental.stage === 'ending';
    const told: IRental = isEnding ? { ...rental, stage: 'ending' } : rental;
    const { message, mark } = progressOf(
      told,
      this._model.machineOf(rental),
      this._model.now(),
      this._trans
    );
    if (mark === start.mark && !isOnScreen(start)) {
      return; // an update would bring back what the user has hidden
    }
    start.mark = mark;
    Notification.update({
      id: start.notification,
      message,
      type: 'in-progress',
      autoClose: false,
      actions: isEnding ? [this._show()] : [this._cancel(rental), this._show()]
    });
  }

  private _tellReady(rental: IRental, start: IStart): void {
    this._end(rental);
    Notification.update({
      id: start.notification,
      message: readiness(rental, this._model.now(), this._trans),
      type: 'success',
      autoClose: READ_WITHIN_MS,
      actions: [this._show()]
    });
  }

  private _tellEnd(rental: IRental, start: IStart): void {
    this._end(rental);
    Notification.update({
      id: start.notification,
      message: endOfStart(rental, start.isCancelled, this._trans),
      type: start.isCancelled ? 'info' : 'error',
      autoClose: start.isCancelled ? READ_WITHIN_MS : false,
      actions: [this._show()]
    });
  }

  private _cancel(rental: IRental): Notification.IAction {
    return {
      label: this._trans.__('Cancel'),
      caption: this._trans.__('End it; nothing stays rented'),
      displayType: 'warn',
      callback: event => {
        event.preventDefault(); // it says next that the machine is gone
        this._actions.cancelRental(rental);
      }
    };
  }

  private _show(): Notification.IAction {
    return {
      label: this._trans.__('Show'),
      caption: this._trans.__('Show it in the Compute panel'),
      callback: event => {
        event.preventDefault();
        this._actions.showPanel();
      }
    };
  }

  private readonly _opened = Date.now();
  private readonly _starts = new Map<string, IStart>();
  private readonly _over = new Set<string>();
  private _ticks: ReturnType<typeof setInterval> | undefined;
}

/** Its toast has its id. */
function isOnScreen(start: IStart): boolean {
  return document.getElementById(start.notification) !== null;
}
