/** Machines and kernels for the tests, and a server extension that can be told what to answer. */

import type { Event } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { PromiseDelegate } from '@lumino/coreutils';
import { Stream } from '@lumino/signaling';

import type { IKernel, IMachine, ISnapshot } from '../api';
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

export function snapshot(revision: number, ...machines: IMachine[]): ISnapshot {
  return { revision, machines };
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
