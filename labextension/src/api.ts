/** The REST interface of the server extension: its words as types, and one function for each route. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';

export type MachineState =
  'asleep' | 'connecting' | 'connected' | 'reconnecting' | 'failed';

export type KernelState =
  'starting' | 'idle' | 'busy' | 'dead' | 'unreachable' | 'stopping';

export interface IProfile {
  readonly name: string;
  readonly display_name: string;
  readonly kernel_name: string;
}

export interface IKernel {
  readonly kernel_id: string;
  readonly machine: string;
  readonly state: KernelState;
  readonly attached: boolean;
  readonly profile: string;
  readonly path: string;
  readonly pid: number | null;
  readonly started: string | null;
  readonly last_activity: string | null;
  readonly detail: string;
  /** It runs for another computer. */
  readonly foreign: boolean;
}

/** A kernel that the server has taken, and the notebook that can be opened on it, if there is one. */
export interface IAdopted {
  readonly kernel_id: string;
  readonly kernel_name: string;
  readonly path: string;
}

export interface IMachine {
  readonly ref: string;
  readonly provider: string;
  readonly name: string;
  readonly title: string;
  readonly state: MachineState;
  readonly detail: string;
  readonly carrier: string;
  readonly round_trip_ms: number | null;
  readonly profiles: readonly IProfile[];
  readonly kernels: readonly IKernel[];
}

export type RentalStage =
  | 'searching'
  | 'renting'
  | 'booting'
  | 'connecting'
  | 'ready'
  | 'in_use'
  | 'ending'
  | 'gone';

export type AttemptState =
  | 'intent'
  | 'requested'
  | 'unknown'
  | 'created'
  | 'reachable'
  | 'in_use'
  | 'releasing'
  | 'gone';

/** What is or was rented. Sums are text in dollars, times are ISO 8601. */
export interface IAttempt {
  readonly id: string;
  readonly state: AttemptState;
  readonly provider: string;
  readonly title: string;
  readonly region: string;
  readonly spot: boolean;
  /** Of the sandbox: no GPU, and no money. */
  readonly pretend: boolean;
  readonly price_per_hour: string;
  readonly cost: string;
  /** Until when `cost` is counted. */
  readonly cost_as_of: string | null;
  readonly budget: string | null;
  readonly deadline: string;
  readonly requested: string | null;
  readonly gone: string | null;
  readonly reason: string;
}

export interface IStep {
  /** The stage that began with it. */
  readonly kind: string;
  readonly text: string;
  readonly at: string;
}

/** Somebody wants a machine, or wanted one; the attempt is the newest to find one. */
export interface IRental {
  readonly id: string;
  /** What it is for: `profile:NAME`, `name:NAME`, or `found:NAME` for one without an owner. */
  readonly key: string;
  /** The `ref` of its machine among the machines, once it can be reached. */
  readonly machine: string;
  readonly stage: RentalStage;
  /** When somebody wanted it first. */
  readonly asked: string;
  readonly asked_by?: string;
  /** Another computer or user of a team's ledger wants it; nothing from an older server. */
  readonly elsewhere?: boolean;
  /** What was done last to have a machine, and since when; none from an older server. */
  readonly step?: IStep | null;
  readonly closed: string | null;
  readonly closed_because: string;
  /** Empty, or a sentence. */
  readonly warning: string;
  readonly warned: string | null;
  /** What attempts before this one have cost; nothing from an older server. */
  readonly earlier_cost?: string;
  /** Which offers came to nothing before it, and why; nothing from an older server. */
  readonly tried?: string;
  /** Nobody has looked after it since then; nothing from an older server. */
  readonly unwatched_since?: string | null;
  readonly attempt: IAttempt | null;
}

export interface ISnapshot {
  readonly revision: number;
  /** The server's time: that of the browser may be another. */
  readonly now: string | null;
  readonly machines: readonly IMachine[];
  readonly rentals: readonly IRental[];
}

/** What went wrong and what to do next, both as sentences for the user. */
export class Problem extends Error {
  constructor(
    message: string,
    readonly advice: string
  ) {
    super(message);
    this.name = 'Problem';
  }

  override toString(): string {
    return [this.message, this.advice].filter(Boolean).join(' ');
  }
}

/** A server that was not restarted since an upgrade knows nothing of rentals. */
const NOTHING_RENTED = { now: null, rentals: [] };

export class ComputeApi {
  constructor(
    private readonly _settings: ServerConnection.ISettings,
    private readonly _trans: TranslationBundle
  ) {}

  async machines(): Promise<ISnapshot> {
    const response = await this._ask('machines');
    const answer = (await response.json()) as ISnapshot;
    return { ...NOTHING_RENTED, ...answer };
  }

  /** There is to be no machine for it any more. Answered at once; that it is gone is seen in the snapshot. */
  async endRental(rentalId: string): Promise<void> {
    await this._ask(`rentals/${encodeURIComponent(rentalId)}`, 'DELETE');
  }

  async extendRental(rentalId: string, minutes: number): Promise<void> {
    await this._ask(
      `rentals/${encodeURIComponent(rentalId)}/extension`,
      'POST',
      { minutes }
    );
  }

  async stopKernel(kernelId: string): Promise<void> {
    await this._ask(`kernels/${encodeURIComponent(kernelId)}`, 'DELETE');
  }

  /** Give the server a kernel that nobody has. */
  async adoptKernel(kernelId: string): Promise<IAdopted> {
    const response = await this._ask(
      `kernels/${encodeURIComponent(kernelId)}/adoption`,
      'POST'
    );
    return (await response.json()) as IAdopted;
  }

  async kernelLog(kernelId: string): Promise<string> {
    const response = await this._ask(
      `kernels/${encodeURIComponent(kernelId)}/log`
    );
    return ((await response.json()) as { log: string }).log;
  }

  /** Save a profile that starts kernels on this machine; one that is there already is given back. */
  async addProfile(machine: IMachine): Promise<IProfile> {
    const response = await this._ask('profiles', 'POST', {
      name: profileName(machine),
      machine: machine.ref,
      display_name: this._trans.__('%1 (GPU bridge)', machine.title)
    });
    return (await response.json()) as IProfile;
  }

  private async _ask(
    path: string,
    method = 'GET',
    body?: Record<string, string | number>
  ): Promise<Response> {
    const url = URLExt.join(this._settings.baseUrl, 'gpu-bridge/api/v1', path);
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(
        url,
        {
          method,
          cache: 'no-store',
          body: body === undefined ? null : JSON.stringify(body)
        },
        this._settings
      );
    } catch (error) {
      if (!(error instanceof ServerConnection.NetworkError)) {
        throw error;
      }
      throw new Problem(
        this._trans.__('The Jupyter server does not answer.'),
        this._trans.__('Kernels on your machines go on without it.')
      );
    }
    if (!response.ok) {
      throw await this._problem(response);
    }
    return response;
  }

  /** The server's own sentence where it sent one; a proxy or a missing extension sends none. */
  private async _problem(response: Response): Promise<Problem> {
    try {
      const said = (await response.json()) as {
        message?: string;
        advice?: string;
      } | null;
      if (said?.message) {
        return new Problem(said.message, said.advice ?? '');
      }
    } catch {
      // Not JSON: judged by its status below.
    }
    if (response.status === 404) {
      return new Problem(
        this._trans.__(
          'The server part of jupyter-gpu-bridge is not switched on.'
        ),
        this._trans.__(
          'Run "jupyter server extension enable jupyter_gpu_bridge" and start the server again.'
        )
      );
    }
    return new Problem(
      this._trans.__(
        'The server answered with %1 %2.',
        response.status,
        response.statusText
      ),
      this._trans.__('Its log says more.')
    );
  }
}

/** The name of a rented machine is an id, of which nobody wants to read all. */
function profileName(machine: IMachine): string {
  return machine.provider === 'rental'
    ? `rental-${machine.name.slice(0, 8)}`
    : machine.name || machine.provider;
}
