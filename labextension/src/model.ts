/**
 * What the panel shows: the last snapshot of the machines and rentals, how old it is, and what is being stopped.
 *
 * Events are only hints that something changed: the server sends none again after a cut, and others may forge them.
 * So each one leads to a new snapshot, and a slow poll finds what no event told.
 */

import { VDomModel } from '@jupyterlab/ui-components';
import type { Event } from '@jupyterlab/services';
import { Poll, Throttler } from '@lumino/polling';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

import type {
  ComputeApi,
  IAdopted,
  IKernel,
  IMachine,
  IProfile,
  IRental,
  ISnapshot
} from './api';
import { Problem } from './api';

export const MACHINES_CHANGED =
  'https://schemas.jupyter-gpu-bridge.dev/machines/v1';

const POLL_EVERY_MS = 10_000;
const POLL_AT_MOST_EVERY_MS = 60_000;
const HINTS_AT_MOST_EVERY_MS = 250;

type Api = Pick<
  ComputeApi,
  | 'machines'
  | 'stopKernel'
  | 'adoptKernel'
  | 'kernelLog'
  | 'addProfile'
  | 'endRental'
  | 'extendRental'
>;

type Events = Pick<Event.IManager, 'stream'>;

export interface IComputeModelOptions {
  api: Api;
  events: Events;
  /** Whether anybody can see the panel now; nothing is polled for nobody. */
  isWatched: () => boolean;
}

export class ComputeModel extends VDomModel {
  constructor(options: IComputeModelOptions) {
    super();
    this._api = options.api;
    this._events = options.events;
    this._poll = new Poll({
      name: 'jupyter-gpu-bridge:machines',
      auto: false,
      factory: () => this._load(),
      frequency: {
        interval: POLL_EVERY_MS,
        max: POLL_AT_MOST_EVERY_MS,
        backoff: true
      },
      standby: () => !options.isWatched() || 'when-hidden'
    });
    this._hinted = new Throttler(() => this.refresh(), {
      limit: HINTS_AT_MOST_EVERY_MS,
      edge: 'trailing'
    });
    this._events.stream.connect(this._onEvent, this);
    void this._poll.start();
  }

  /** What the server said last; `null` before its first answer. */
  get snapshot(): ISnapshot | null {
    return this._snapshot;
  }

  /** When the server said it. */
  get asOf(): Date | null {
    return this._asOf;
  }

  /** Why the snapshot is stale; `null` while it is fresh. */
  get problem(): Problem | null {
    return this._problem;
  }

  /** Emitted when other profiles are there than were known here: each one is a kernelspec. */
  get profilesChanged(): ISignal<this, void> {
    return this._profilesChanged;
  }

  /** In milliseconds, by the clock of the server, which counts costs and deadlines. */
  now(): number {
    return Date.now() + this._serverIsAhead;
  }

  isStopping(kernel: IKernel): boolean {
    return this._stopping.has(kernel.kernel_id);
  }

  /** The machine that is rented for it, once it can be reached. */
  machineOf(rental: IRental): IMachine | null {
    const machines = this._snapshot?.machines ?? [];
    return machines.find(machine => machine.ref === rental.machine) ?? null;
  }

  /** Whether the server is being told so now. */
  isEnding(rental: IRental): boolean {
    return this._stopping.has(rental.id);
  }

  isExtending(rental: IRental): boolean {
    return this._extending.has(rental.id);
  }

  /** Read the machines now; whether that worked is in `problem`. */
  async refresh(): Promise<void> {
    try {
      await this._load();
    } catch {
      // It is in `problem`, where the panel shows it; the poll goes on.
    }
  }

  /** Stop the kernel and show the result; raises a `Problem`. */
  async stop(kernel: IKernel): Promise<void> {
    await this._while(this._stopping, kernel.kernel_id, () =>
      this._api.stopKernel(kernel.kernel_id)
    );
  }

  /** End the machine and show the result; raises a `Problem`. */
  async endRental(rental: IRental): Promise<void> {
    await this._while(this._stopping, rental.id, () =>
      this._api.endRental(rental.id)
    );
  }

  /** Put its deadline off and show the result; raises a `Problem`. */
  async extendRental(rental: IRental, minutes: number): Promise<void> {
    await this._while(this._extending, rental.id, () =>
      this._api.extendRental(rental.id, minutes)
    );
  }

  /** Make a profile for a machine that has none, and show it; raises a `Problem`. */
  async addProfile(machine: IMachine): Promise<IProfile> {
    const profile = await this._api.addProfile(machine);
    await this.refresh();
    return profile;
  }

  /** Give the server a kernel that nobody has, and show the result; raises a `Problem`. */
  async adopt(kernel: IKernel): Promise<IAdopted> {
    const adopted = await this._api.adoptKernel(kernel.kernel_id);
    await this.refresh();
    return adopted;
  }

  log(kernel: IKernel): Promise<string> {
    return this._api.kernelLog(kernel.kernel_id);
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._events.stream.disconnect(this._onEvent, this);
    this._poll.dispose();
    this._hinted.dispose();
    super.dispose();
    Signal.clearData(this);
  }

  /** Keep the id in the set until what was done can be seen. */
  private async _while(
    ids: Set<string>,
    id: string,
    act: () => Promise<void>
  ): Promise<void> {
    ids.add(id);
    this.stateChanged.emit();
    try {
      await act();
    } finally {
      await this.refresh();
      ids.delete(id);
      this.stateChanged.emit();
    }
  }

  private _onEvent(_: Event.IManager, emission: Event.Emission): void {
    if (
      emission.schema_id === MACHINES_CHANGED &&
      emission['revision'] !== this._snapshot?.revision
    ) {
      void this._hinted.invoke();
    }
  }

  /** Answers may overtake each other: one that was asked for earlier than what is shown is dropped. */
  private async _load(): Promise<void> {
    const asked = ++this._asked;
    try {
      const snapshot = await this._api.machines();
      if (asked > this._shown) {
        this._show(asked, snapshot);
      }
    } catch (error) {
      if (asked > this._shown) {
        this._shown = asked;
        this._problem =
          error instanceof Problem ? error : new Problem(String(error), '');
      }
      throw error;
    } finally {
      if (!this.isDisposed) {
        this.stateChanged.emit();
      }
    }
  }

  private _show(asked: number, snapshot: ISnapshot): void {
    this._shown = asked;
    this._snapshot = snapshot;
    this._asOf = new Date();
    if (snapshot.now !== null) {
      this._serverIsAhead = Date.parse(snapshot.now) - this._asOf.getTime();
    }
    this._problem = null;
    const profiles = profileNames(snapshot);
    if (profiles !== this._profiles) {
      this._profiles = profiles;
      this._profilesChanged.emit();
    }
  }

  private readonly _api: Api;
  private readonly _events: Events;
  private readonly _poll: Poll;
  private readonly _hinted: Throttler;
  private readonly _profilesChanged = new Signal<this, void>(this);
  private readonly _stopping = new Set<string>();
  private readonly _extending = new Set<string>();
  private _snapshot: ISnapshot | null = null;
  private _asOf: Date | null = null;
  private _problem: Problem | null = null;
  private _serverIsAhead = 0;
  private _profiles = '';
  private _asked = 0;
  private _shown = 0;
}

function profileNames(snapshot: ISnapshot): string {
  const profiles = snapshot.machines.flatMap(machine => machine.profiles);
  return JSON.stringify(
    profiles
      .map(({ kernel_name, display_name }) => [kernel_name, display_name])
      .sort()
  );
}
