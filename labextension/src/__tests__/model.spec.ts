import { signalToPromise } from '@jupyterlab/testing';

import { ComputeModel, MACHINES_CHANGED } from '../model';
import { FakeEvents, FakeServer, kernel, machine, snapshot } from './examples';

describe('ComputeModel', () => {
  let server: FakeServer;
  let events: FakeEvents;
  let isWatched: boolean;
  let model: ComputeModel;

  beforeEach(() => {
    server = new FakeServer();
    events = new FakeEvents();
    isWatched = false;
    model = new ComputeModel({
      api: server.api,
      events,
      isWatched: () => isWatched
    });
  });

  afterEach(() => model.dispose());

  it('asks nothing while nobody looks, and keeps up when somebody does', async () => {
    jest.useFakeTimers();
    try {
      const watched = new ComputeModel({
        api: server.api,
        events,
        isWatched: () => isWatched
      });
      await jest.advanceTimersByTimeAsync(60_000);
      expect(server.requests).toEqual([]);
      isWatched = true;
      await jest.advanceTimersByTimeAsync(60_000);
      expect(server.requests.length).toBeGreaterThanOrEqual(5);
      watched.dispose();
    } finally {
      jest.useRealTimers();
    }
  });

  it('shows what the server says', async () => {
    await model.refresh();
    expect(server.requests).toEqual(['GET /gpu-bridge/api/v1/machines']);
    expect(model.snapshot?.machines[0].title).toBe('box');
    expect(model.problem).toBeNull();
    expect(model.asOf).not.toBeNull();
  });

  it('fetches anew when an event hints at a change', async () => {
    await model.refresh();
    server.answer = () => server.json(snapshot(2, machine({ title: 'two' })));
    events.emit({ schema_id: MACHINES_CHANGED, revision: 2 });
    await server.asked();
    await signalToPromise(model.stateChanged);
    expect(model.snapshot?.machines[0].title).toBe('two');
  });

  it('makes one request of many hints at once', async () => {
    await model.refresh();
    for (let revision = 2; revision < 50; revision++) {
      events.emit({ schema_id: MACHINES_CHANGED, revision });
    }
    await server.asked();
    await signalToPromise(model.stateChanged);
    expect(server.requests).toHaveLength(2);
  });

  it('takes no notice of what it knows, nor of the events of others', async () => {
    await model.refresh();
    events.emit({ schema_id: MACHINES_CHANGED, revision: 1 });
    events.emit({ schema_id: 'https://events.jupyter.org/x', revision: 9 });
    events.emit({ schema_id: MACHINES_CHANGED, revision: 2 });
    await server.asked();
    expect(server.requests).toHaveLength(2);
  });

  it('keeps the last snapshot and its time when the server is gone', async () => {
    await model.refresh();
    const { asOf } = model;
    server.answer = () => Promise.reject(new TypeError('connection refused'));
    await model.refresh();
    expect(model.problem?.message).toBe('The Jupyter server does not answer.');
    expect(model.snapshot?.machines).toHaveLength(1);
    expect(model.asOf).toBe(asOf);
  });

  it("passes on the server's own sentence and its advice", async () => {
    server.answer = () =>
      server.json(
        {
          error: 'link-lost',
          message: 'The link is gone.',
          advice: 'Try again.'
        },
        503
      );
    await model.refresh();
    expect(model.problem?.message).toBe('The link is gone.');
    expect(model.problem?.advice).toBe('Try again.');
    expect(model.snapshot).toBeNull();
  });

  it('says how to switch the server part on when it is not there', async () => {
    server.answer = () => new Response('<html>', { status: 404 });
    await model.refresh();
    expect(model.problem?.advice).toContain('jupyter server extension enable');
  });

  it('is well again after the next answer', async () => {
    server.answer = () => new Response('', { status: 500 });
    await model.refresh();
    expect(model.problem).not.toBeNull();
    server.answer = () => server.json(snapshot(3, machine()));
    await model.refresh();
    expect(model.problem).toBeNull();
  });

  it('does not let a late answer hide a newer one', async () => {
    let answerLate: (response: Response) => void = () => undefined;
    server.answer = () =>
      new Promise<Response>(resolve => {
        answerLate = resolve;
      });
    const late = model.refresh();
    server.answer = () => server.json(snapshot(2, machine({ title: 'new' })));
    await model.refresh();
    answerLate(server.json(snapshot(1, machine({ title: 'old' }))));
    await late;
    expect(model.snapshot?.machines[0].title).toBe('new');
  });

  it('tells when profiles come and go, and only then', async () => {
    const told = jest.fn();
    model.profilesChanged.connect(told);
    await model.refresh();
    await model.refresh();
    expect(told).toHaveBeenCalledTimes(1);
    server.answer = () => server.json(snapshot(2, machine({ profiles: [] })));
    await model.refresh();
    expect(told).toHaveBeenCalledTimes(2);
  });

  it('stops a kernel, and looks again afterwards', async () => {
    server.answer = () =>
      server.requests.at(-1)?.startsWith('DELETE')
        ? server.json(null, 204)
        : server.json(snapshot(2, machine({ kernels: [] })));
    const stopped = model.stop(kernel());
    expect(model.isStopping(kernel())).toBe(true);
    await stopped;
    expect(server.requests).toEqual([
      `DELETE /gpu-bridge/api/v1/kernels/${kernel().kernel_id}`,
      'GET /gpu-bridge/api/v1/machines'
    ]);
    expect(model.isStopping(kernel())).toBe(false);
    expect(model.snapshot?.machines[0].kernels).toHaveLength(0);
  });

  it('says why a kernel could not be stopped', async () => {
    server.answer = () =>
      server.json({ error: 'unreachable', message: 'No route to box.' }, 502);
    await expect(model.stop(kernel())).rejects.toThrow('No route to box.');
    expect(model.isStopping(kernel())).toBe(false);
  });

  it('listens no more once it is disposed', async () => {
    await model.refresh();
    model.dispose();
    events.emit({ schema_id: MACHINES_CHANGED, revision: 7 });
    expect(server.requests).toHaveLength(1);
  });
});
