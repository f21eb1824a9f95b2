import { Notification } from '@jupyterlab/apputils';

import type { IMachine, IRental } from '../api';
import { ComputeModel } from '../model';
import type { IStartActions } from '../starts';
import { Starts } from '../starts';
import {
  attempt,
  FakeEvents,
  FakeServer,
  kernel,
  rental,
  rentedMachine,
  trans
} from './examples';

describe('Starts', () => {
  let server: FakeServer;
  let model: ComputeModel;
  let actions: jest.Mocked<IStartActions>;
  let starts: Starts;

  beforeEach(() => {
    server = new FakeServer();
    model = new ComputeModel({
      api: server.api,
      events: new FakeEvents(),
      isWatched: () => false
    });
    actions = { cancelRental: jest.fn(), showPanel: jest.fn() };
    starts = new Starts(model, actions, trans);
  });

  afterEach(() => {
    starts.dispose();
    model.dispose();
    Notification.dismiss();
    document.body.textContent = '';
  });

  /** By the clock of the server, which is five hours ahead. */
  function seconds(count: number): string {
    return new Date(Date.now() + 5 * 3_600_000 + count * 1000).toISOString();
  }

  function begun(given: Partial<IRental> = {}): IRental {
    return rental({
      key: 'profile:big',
      stage: 'searching',
      asked: seconds(1),
      attempt: null,
      ...given
    });
  }

  function booting(since: number): IRental {
    const text = 'the machine starts (usually 40 s)';
    return begun({
      stage: 'booting',
      step: { kind: 'booting', text, at: seconds(-since) },
      attempt: attempt({ state: 'created' })
    });
  }

  async function told(
    rentals: IRental[],
    machines: IMachine[] = []
  ): Promise<Notification.INotification[]> {
    server.answer = () =>
      server.json({ revision: 1, now: seconds(0), machines, rentals });
    await model.refresh();
    return Notification.manager.notifications;
  }

  async function press(
    notification: Notification.INotification,
    label: string
  ): Promise<void> {
    const event = new MouseEvent('click', { cancelable: true });
    notification.options
      .actions!.find(action => action.label === label)!
      .callback(event);
    expect(event.defaultPrevented).toBe(true); // it stays
    await Promise.resolve();
  }

  it('says at which stage it is, for how long, and how long it usually takes', async () => {
    await told([begun()]);
    const [shown, ...others] = await told([booting(12)]);
    expect(others).toEqual([]);
    expect(shown.message).toBe(
      'big · Booting… 12 s · the machine starts (usually 40 s)'
    );
    expect(shown.type).toBe('in-progress');
    expect(starts.isWaiting).toBe(true);
  });

  it('says nothing of what was begun before this page was opened', async () => {
    const before = begun({ asked: seconds(-60) });
    expect(await told([before])).toEqual([]);
    expect(starts.isWaiting).toBe(false);
  });

  it.each([
    [null, 'Preparing…'],
    [4711, 'Starting the kernel…']
  ])('goes on until the kernel is there (pid %s)', async (pid, words) => {
    await told([booting(12)]);
    const ready = begun({ stage: 'ready', attempt: attempt() });
    const young = kernel({ state: 'starting', pid });
    const [shown] = await told([ready], [rentedMachine({ kernels: [young] })]);
    expect(shown.message).toBe(`big · ${words}`);
    expect(shown.type).toBe('in-progress');
  });

  it('says when it is ready, after how long, and what it costs', async () => {
    const asked = seconds(0);
    await told([{ ...booting(1), asked }]);
    const ready = begun({
      stage: 'in_use',
      asked,
      attempt: attempt(),
      tried: '1 before it came to nothing: no capacity at box'
    });
    const [shown] = await told([ready], [rentedMachine()]);
    expect(shown.message).toBe(
      'Pretend A100 80 GB · sandbox: ready after 0 s, $2.50 per hour (pretend)' +
        ' · 1 before it came to nothing: no capacity at box'
    );
    expect(shown.type).toBe('success');
    expect(starts.isWaiting).toBe(false);
    Notification.dismiss();
    expect(await told([ready], [rentedMachine()])).toEqual([]);
  });

  it('says why it failed and what is billed, until it is read', async () => {
    await told([booting(12)]);
    const failed = begun({
      stage: 'gone',
      closed_because: 'Tried 1 of 1 offers: no SSH after 5 min, destroyed.',
      attempt: attempt({ state: 'gone', cost: '0.02' })
    });
    const [shown] = await told([failed]);
    expect(shown.message).toBe(
      'big · Not rented. It cost $0.0200, and nothing is billed any more. ' +
        'Tried 1 of 1 offers: no SSH after 5 min, destroyed.'
    );
    expect(shown.type).toBe('error');
    expect(shown.options.autoClose).toBe(false);
  });

  it('can be cancelled, and says when nothing is billed', async () => {
    const [shown] = await told([booting(12)]);
    await press(shown, 'Cancel');
    expect(actions.cancelRental.mock.calls[0][0].id).toBe(booting(12).id);
    server.answer = () => server.json(null, 202);
    const ended = model.endRental(booting(12));
    expect(Notification.manager.notifications[0].message).toContain(
      'Being ended… · It counts as running until the provider confirms'
    );
    await ended;
    const gone = begun({ stage: 'gone', attempt: null });
    const [over] = await told([gone]);
    expect(over.message).toBe('big · Cancelled. Nothing is billed.');
    expect(over.type).toBe('info');
  });

  it('leads to the panel', async () => {
    const [shown] = await told([begun()]);
    await press(shown, 'Show');
    expect(actions.showPanel).toHaveBeenCalled();
  });

  it('leaves alone what was put away or hidden', async () => {
    const [shown] = await told([booting(12)]);
    const [hidden] = await told([booting(20)]);
    expect(hidden.message).toBe(shown.message);
    const toast = document.createElement('div');
    toast.id = shown.id;
    document.body.append(toast);
    const [visible] = await told([booting(30)]);
    expect(visible.message).toContain('30 s');
    Notification.dismiss(shown.id);
    expect(await told([booting(40)])).toEqual([]);
    expect(starts.isWaiting).toBe(false);
  });
});
