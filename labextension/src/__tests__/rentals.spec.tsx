import type { IActions } from '../actions';
import type { IMachine, IRental } from '../api';
import type { ComputeModel } from '../model';
import type { ComputePanel } from '../view';
import {
  attempt,
  kernel,
  machine,
  minutes,
  NOW,
  rental,
  rentedMachine
} from './examples';
import type { FakeServer } from './examples';
import { PanelOnPage } from './panel';

describe('rentals in the panel', () => {
  let page: PanelOnPage;
  let server: FakeServer;
  let model: ComputeModel;
  let panel: ComputePanel;
  let actions: jest.Mocked<IActions>;

  beforeEach(() => {
    page = new PanelOnPage();
    ({ server, model, panel, actions } = page);
  });

  afterEach(() => page.dispose());

  const rendered = (): Promise<string> => page.rendered();
  const button = (name: string): HTMLButtonElement => page.button(name);

  const shown = (
    rentals: IRental[],
    machines: IMachine[] = [],
    now = NOW
  ): Promise<string> => page.shown({ revision: 1, now, machines, rentals });

  function row(): HTMLElement {
    return panel.node.querySelector<HTMLElement>('.jp-GpuBridge-rental')!;
  }

  const stop = 'Stop Pretend A100 80 GB · sandbox (train)';
  const extend =
    'Extend by 30 min (+$0.42): Pretend A100 80 GB · sandbox (train)';

  it('shows nothing of rentals when there are none', async () => {
    await shown([], [machine()]);
    expect(
      panel.node.querySelector('[aria-label="Rented machines"]')
    ).toBeNull();
  });

  it('takes an older server for one that rents nothing', async () => {
    server.answer = () => server.json({ revision: 1, machines: [machine()] });
    await model.refresh();
    expect(await rendered()).toContain('box');
  });

  it('shows what is rented, for what, and what it costs', async () => {
    const open = attempt({ deadline: minutes(100.5) });
    const text = await shown([rental({ attempt: open })]);
    for (const part of [
      'Pretend A100 80 GB · sandbox',
      'pretend',
      'for train',
      'In use',
      '$1.25 so far',
      '$2.50 per hour',
      '25 % of $5.00 used',
      '1 h 40 min left',
      'budget lasts 1 h'
    ]) {
      expect(text).toContain(part);
    }
  });

  it('says of what a colleague has rented that it is his', async () => {
    const theirs = rental({ elsewhere: true, asked_by: 'bo' });
    expect(await shown([theirs])).toContain('Rented elsewhere, by bo.');
    expect(await shown([rental()])).not.toContain('Rented elsewhere');
  });

  it('does not call real money a pretence', async () => {
    const real = attempt({ pretend: false, title: 'A100', provider: 'cloud' });
    const text = await shown([rental({ attempt: real })]);
    expect(text).toContain('A100 · cloud');
    expect(text).not.toContain('pretend');
  });

  it.each([
    ['searching', 'Searching…'],
    ['renting', 'Renting…'],
    ['booting', 'Booting…'],
    ['connecting', 'Connecting…'],
    ['ready', 'Ready'],
    ['in_use', 'In use'],
    ['ending', 'Being ended…'],
    ['gone', 'Gone']
  ] as const)('says one that is %s in words', async (stage, words) => {
    await shown([rental({ stage })]);
    const state = row().querySelector('.jp-GpuBridge-state');
    expect(state?.textContent).toBe(words);
    expect(state?.getAttribute('role')).toBe('status');
    expect(state?.querySelector('svg')).not.toBeNull();
  });

  it('counts on each second, by the clock of the server', async () => {
    jest.useFakeTimers();
    try {
      const begun = Date.now();
      server.answer = () =>
        server.json({
          revision: 1,
          now: new Date(begun + 5 * 3_600_000).toISOString(), // this computer's clock is wrong
          machines: [],
          rentals: [
            rental({
              attempt: attempt({
                cost: '0.01',
                cost_as_of: new Date(begun + 5 * 3_600_000).toISOString(),
                deadline: new Date(begun + 6 * 3_600_000).toISOString()
              })
            })
          ]
        });
      await model.refresh();
      await jest.advanceTimersByTimeAsync(500);
      expect(row().textContent).toContain('$0.0100 so far');
      await jest.advanceTimersByTimeAsync(36_000);
      expect(row().textContent).toMatch(/\$0\.035\d so far/);
      expect(row().textContent).toContain('59 min left');
    } finally {
      jest.useRealTimers();
    }
  });

  it('shows the machine and its kernels inside its rental, and not twice', async () => {
    const text = await shown([rental()], [rentedMachine(), machine()]);
    expect(row().textContent).toContain('train.ipynb');
    expect(text.match(/Pretend A100 80 GB/g)).toHaveLength(1);
    expect(panel.node.querySelectorAll('.jp-GpuBridge-machine')).toHaveLength(
      1
    );
    expect(text.indexOf('Pretend A100')).toBeLessThan(text.indexOf('box'));
  });

  it('shows a rented machine by itself where its rental is not known', async () => {
    const text = await shown([], [rentedMachine()]);
    expect(text).toContain('Pretend A100 80 GB (sandbox)');
  });

  it('draws the budget, and warns at four fifths of it', async () => {
    await shown([rental()]);
    const meter = row().querySelector('[role=meter]');
    expect(meter?.getAttribute('aria-valuenow')).toBe('25');
    expect(meter?.getAttribute('aria-valuetext')).toBe('25 % of $5.00 used');
    expect(row().textContent).not.toContain('nearly gone');
    await shown([rental({ attempt: attempt({ cost: '4.00' }) })]);
    expect(row().textContent).toContain('Budget nearly gone: 80 % of $5.00');
    await shown([rental({ attempt: attempt({ cost: '5.10' }) })]);
    expect(
      row().querySelector('[role=meter]')?.getAttribute('aria-valuenow')
    ).toBe('100');
    expect(row().textContent).toContain('102 % of $5.00');
  });

  it('counts what earlier attempts have cost', async () => {
    const tried = rental({ earlier_cost: '1.00' });
    const text = await shown([tried]);
    expect(text).toContain('$2.25 so far');
    expect(text).toContain('37 % of $6.00 used');
    const over = { ...tried, stage: 'gone' as const };
    expect(await shown([over])).toContain('It cost $2.25.');
  });

  it('says since when nobody looks after it', async () => {
    const text = await shown([rental({ unwatched_since: minutes(-20) })]);
    expect(text).toContain('It is not looked after since');
    expect(text).toContain('See: jupyter gpu guard');
    expect(await shown([rental()])).not.toContain('looked after');
  });

  it('has no bar without a budget', async () => {
    await shown([rental({ attempt: attempt({ budget: null }) })]);
    expect(row().querySelector('[role=meter]')).toBeNull();
    expect(row().textContent).toContain('left');
  });

  it('extends, and says before by how much the bill may grow', async () => {
    const short = rental({ attempt: attempt({ deadline: minutes(80) }) });
    await shown([short]);
    button(extend).click();
    expect(actions.extendRental).toHaveBeenCalledWith(short);
  });

  it('says when the time is up', async () => {
    const late = attempt({ deadline: minutes(-1) });
    expect(await shown([rental({ attempt: late })])).toContain(
      'Its time is up'
    );
  });

  it('hands what is to be stopped to the action', async () => {
    await shown([rental()]);
    button(stop).click();
    expect(actions.endRental).toHaveBeenCalledWith(rental());
  });

  it('says that it is being ended until the provider confirms it', async () => {
    const ending = rental({
      stage: 'ending',
      closed_because: 'It was stopped in the Compute panel.',
      attempt: attempt({ state: 'releasing' })
    });
    const text = await shown([ending]);
    expect(text).toContain('It was stopped in the Compute panel.');
    expect(text).toContain('until the provider confirms');
    expect(text).toContain('so far');
    expect(text).not.toContain('Extend');
    button(stop).click();
    expect(actions.endRental).not.toHaveBeenCalled();
  });

  it('keeps the focus on the button while it is being told', async () => {
    await shown([rental()]);
    button(stop).focus();
    let answer: (response: Response) => void = () => undefined;
    server.answer = () =>
      new Promise<Response>(resolve => {
        answer = resolve;
      });
    const ended = model.endRental(rental());
    expect(await rendered()).toContain('Being ended…');
    expect(document.activeElement).toBe(button(stop));
    const gone = rental({ stage: 'gone', closed_because: 'It was stopped.' });
    server.answer = () =>
      server.json({ revision: 2, now: NOW, machines: [], rentals: [gone] });
    answer(server.json(null, 204));
    await ended;
    expect(await rendered()).toContain('Gone');
  });

  it('says what it cost and why it ended', async () => {
    const gone = rental({
      stage: 'gone',
      closed: NOW,
      closed_because: 'Its deadline has come.',
      attempt: attempt({ state: 'gone', cost: '3.456', gone: NOW })
    });
    const text = await shown([gone]);
    expect(text).toContain('It cost $3.46.');
    expect(text).toContain('Its deadline has come.');
    expect(row().querySelector('button')).toBeNull();
    expect(row().querySelector('time')?.getAttribute('datetime')).toBe(NOW);
  });

  it('shows the last warning and when it was given', async () => {
    const warned = rental({
      warning: 'The provider takes the machine back at 14:00 UTC.',
      warned: NOW
    });
    await shown([warned]);
    const said = row().querySelector('.jp-GpuBridge-warning [role=status]');
    expect(said?.textContent).toBe(warned.warning);
  });

  it('says for what it searches when nothing is rented, and why the last one failed', async () => {
    let text = await shown([rental({ stage: 'searching', attempt: null })]);
    expect(text).toContain('A machine for train');
    expect(text).not.toContain('so far');
    const failed = attempt({
      state: 'gone',
      cost: '0.02',
      reason: 'no SSH after 5 min'
    });
    text = await shown([rental({ stage: 'searching', attempt: failed })]);
    expect(text).toContain('A machine for train');
    expect(text).toContain('no SSH after 5 min It cost $0.0200.');
    expect(text).not.toContain('left');
  });

  it('says that nobody knows when an answer was lost', async () => {
    const lost = rental({
      stage: 'renting',
      attempt: attempt({ state: 'unknown' })
    });
    expect(await shown([lost])).toContain('is being found out');
  });

  it('does not take one without an owner for one that boots', async () => {
    const found = rental({
      key: 'found:gb-1',
      stage: 'booting',
      attempt: attempt({ state: 'created' })
    });
    const text = await shown([found]);
    expect(text).toContain('Found running');
    expect(text).not.toContain('Booting');
  });

  it('offers a notebook on a machine that is ready', async () => {
    const bare = rentedMachine({ profiles: [], kernels: [kernel()] });
    await shown([rental({ stage: 'ready' })], [bare]);
    button('New notebook here (Pretend A100 80 GB (sandbox))').click();
    expect(actions.newNotebookOn).toHaveBeenCalledWith(bare);
  });
});
