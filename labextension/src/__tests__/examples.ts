/** Machines and kernels for the tests, and a server extension that can be told what to answer. */

import type { Event } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { PromiseDelegate } from '@lumino/coreutils';
import { Stream } from '@lumino/signaling';

import type { IAttempt, IKernel, IMachine, IRental, ISnapshot } from '../api';
import { ComputeApi } from '../api';

export const trans = nullTranslator.load('jupyter_gpu_bridge');

export function kernel(given: Partial<IKernel> = {}): IKernel {
  return {
    kernel_id: '11111111-2222-3333-4444-555555555555',
    machine: 'ssh:box',
    state: 'idle',
    attached: true,
    profile: 'box',
    path: 'work/train.ipynb',
    pid: 4711,
    started: '2026-11-20T10:00:00Z',
    last_activity: null,
    detail: '',
    foreign: false,
    ...given
  };
}

export function machine(given: Partial<IMachine> = {}): IMachine {
  return {
    ref: 'ssh:box',
    provider: 'ssh',
    name: 'box',
    title: 'box',
    state: 'connected',
    detail: '',
    carrier: 'openssh',
    round_trip_ms: 1.25,
    profiles: [
      {
        name: 'box',
        display_name: 'Python on box',
        kernel_name: 'gpu-bridge-box'
      }
    ],
    kernels: [kernel()],
    ...given
  };
}

/** When the server answers, by its own clock. */
export const NOW = '2026-11-20T12:00:00Z';

export function minutes(count: number): string {
  return new Date(Date.parse(NOW) + count * 60_000).toISOString();
}

export function attempt(given: Partial<IAttempt> = {}): IAttempt {
  return {
    id: '0f0f',
    state: 'in_use',
    provider: 'sandbox',
    title: 'Pretend A100 80 GB',
    region: 'here',
    spot: false,
    pretend: true,
    price_per_hour: '2.50',
    cost: '1.25',
    cost_as_of: NOW,
    budget: '5.00',
    deadline: minutes(100),
    requested: minutes(-30),
    gone: null,
    reason: '',
    ...given
  };
}

export function rental(given: Partial<IRental> = {}): IRental {
  return {
    id: 'ab12',
    key: 'name:train',
    machine: 'rental:ab12',
    stage: 'in_use',
    asked: minutes(-31),
    step: null,
    closed: null,
    closed_because: '',
    warning: '',
    warned: null,
    attempt: attempt(),
    ...given
  };
}

export function rentedMachine(given: Partial<IMachine> = {}): IMachine {
  return machine({
    ref: 'rental:ab12',
    provider: 'rental',
    name: 'ab12',
    title: 'Pretend A100 80 GB (sandbox)',
    ...given
  });
}

export function snapshot(revision: number, ...machines: IMachine[]): ISnapshot {
  return { revision, now: NOW, machines, rentals: [] };
}

/** Answers like the server extension; every request is written down, and each can be waited for. */
export class FakeServer {
  readonly requests: string[] = [];
  readonly bodies: unknown[] = [];
  answer: () => Response | Promise<Response> = () =>
    this.json(snapshot(1, machine()));

  readonly settings = ServerConnection.makeSettings({
    baseUrl: 'http://127.0.0.1:1/lab-base/',
    fetch: async (request: RequestInfo | URL): Promise<Response> => {
      const { method, url, body } = request as Request;
      if (body) {
        this.bodies.push(await (request as Request).json());
      }
      this.requests.push(
        `${method} ${new URL(url).pathname.replace('/lab-base', '')}`
      );
      this._asked.resolve();
      this._asked = new PromiseDelegate<void>();
      return this.answer();
    }
  });

  readonly api = new ComputeApi(this.settings, trans);

  json(body: unknown, status = 200): Response {
    return new Response(status === 204 ? null : JSON.stringify(body), {
      status,
      headers: { 'Content-Type': 'application/json' }
    });
  }

  asked(): Promise<void> {
    return this._asked.promise;
  }

  private _asked = new PromiseDelegate<void>();
}

export class FakeEvents {
  readonly stream = new Stream<Event.IManager, Event.Emission>(
    this as unknown as Event.IManager
  );

  emit(emission: Event.Emission): void {
    this.stream.emit(emission);
  }
}
