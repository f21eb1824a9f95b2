import type { IActions } from '../actions';
import type { IMachine } from '../api';
import type { ComputeModel } from '../model';
import type { ComputePanel } from '../view';
import { kernel, machine, snapshot } from './examples';
import type { FakeServer } from './examples';
import { PanelOnPage } from './panel';

describe('ComputePanel', () => {
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

  const shown = (...machines: IMachine[]): Promise<string> =>
    page.shown(snapshot(1, ...machines));

  it('is a region named Compute', async () => {
    await rendered();
    const region = panel.node.querySelector('section');
    expect(region?.getAttribute('aria-label')).toBe('Compute');
    expect(panel.id).toBe('jupyter-gpu-bridge');
    expect(panel.title.caption).toBe('Compute');
  });

  it('says that it is looking before the first answer', async () => {
    expect(await rendered()).toContain('Looking for your machines…');
  });

  it('shows a machine and all that is known of its kernel', async () => {
    const text = await shown(machine());
    for (const part of [
      'box',
      'Connected',
      '1.3 ms',
      'train.ipynb',
      'Idle',
      'attached',
      'pid 4711'
    ]) {
      expect(text).toContain(part);
    }
    expect(panel.node.querySelector('time')?.getAttribute('datetime')).toBe(
      '2026-11-20T10:00:00Z'
    );
  });

  it.each([
    ['asleep', 'Not connected'],
    ['connecting', 'Connecting…'],
    ['connected', 'Connected'],
    ['reconnecting', 'Reconnecting…'],
    ['failed', 'Failed']
  ] as const)('says a machine that is %s in words', async (state, words) => {
    await shown(machine({ state, detail: 'A sentence.', kernels: [] }));
    const status = panel.node.querySelector('.jp-GpuBridge-state');
    expect(status?.textContent).toBe(words);
    expect(status?.querySelector('svg')).not.toBeNull();
    expect(panel.node.textContent).toContain('A sentence.');
  });

  it('does not speak of connecting this computer to itself', async () => {
    const text = await shown(
      machine({ ref: 'local', provider: 'local', state: 'asleep' })
    );
    expect(text).toContain('Not in use');
    expect(text).not.toContain('Not connected');
  });

  it.each([
    ['starting', 'Starting…'],
    ['idle', 'Idle'],
    ['busy', 'Busy'],
    ['stopping', 'Stopping…'],
    ['dead', 'Dead'],
    ['unreachable', 'Out of reach']
  ] as const)('says a kernel that is %s in words', async (state, words) => {
    await shown(machine({ kernels: [kernel({ state })] }));
    const status = panel.node.querySelector(
      '.jp-GpuBridge-kernel .jp-GpuBridge-state'
    );
    expect(status?.textContent).toBe(words);
    expect(status?.querySelector('svg')).not.toBeNull();
  });

  it('shows a kernel behind a cut as reconnecting, never as dead', async () => {
    const text = await shown(
      machine({
        state: 'reconnecting',
        detail: 'Trying again in 3 s.',
        kernels: [kernel({ state: 'unreachable' })]
      })
    );
    expect(text.match(/Reconnecting…/g)).toHaveLength(2);
    expect(text).toContain('Trying again in 3 s. The kernels go on meanwhile');
    expect(text).not.toContain('Dead');
  });

  it('names a kernel without a notebook by its id, and says so', async () => {
    const text = await shown(
      machine({ kernels: [kernel({ path: '', attached: false })] })
    );
    expect(text).toContain('Kernel 11111111');
    expect(text).toContain('no notebook attached');
  });

  it('says how to add a host when there is none', async () => {
    expect(await shown()).toContain('jupyter gpu hosts add');
    const local = machine({ ref: 'local', provider: 'local' });
    expect(await shown(local)).toContain('jupyter gpu hosts add');
    expect(await shown(machine())).not.toContain('jupyter gpu hosts add');
  });

  it('offers a new notebook for each profile', async () => {
    const profiles = ['a', 'b'].map(name => ({
      name,
      display_name: `Profile ${name}`,
      kernel_name: `gpu-bridge-${name}`
    }));
    await shown(machine({ profiles }));
    button('New notebook on Profile b').click();
    expect(actions.newNotebook).toHaveBeenCalledWith(profiles[1]);
  });

  it('offers a new notebook on a machine that has no profile yet', async () => {
    const bare = machine({ profiles: [] });
    expect(await shown(bare)).toContain('New notebook here');
    button('New notebook here (box)').click();
    expect(actions.newNotebookOn).toHaveBeenCalledWith(bare);
  });

  it('offers a notebook for a kernel that nobody has', async () => {
    const lonely = kernel({ attached: false });
    await shown(machine({ kernels: [lonely] }));
    button('Open a notebook on it (train.ipynb)').click();
    expect(actions.openNotebook).toHaveBeenCalledWith(lonely);
  });

  it.each([
    { attached: true },
    { attached: false, foreign: true },
    { attached: false, state: 'dead' as const }
  ])('offers none for a kernel that cannot be had: %p', async given => {
    const text = await shown(machine({ kernels: [kernel(given)] }));
    expect(text).not.toContain('Open a notebook on it');
  });

  it('hands the kernel to stop, and its machine, to the action', async () => {
    await shown(machine());
    button('Stop the kernel of train.ipynb').click();
    expect(actions.stop).toHaveBeenCalledWith(kernel(), machine());
    button('Log of train.ipynb').click();
    expect(actions.openLog).toHaveBeenCalledWith(kernel());
  });

  it('keeps the button, and its focus, while a kernel is being stopped', async () => {
    await shown(machine());
    button('Stop the kernel of train.ipynb').focus();
    let answer: (response: Response) => void = () => undefined;
    server.answer = () =>
      new Promise<Response>(resolve => {
        answer = resolve;
      });
    const stopped = model.stop(kernel());
    expect(await rendered()).toContain('Stopping…');
    const stop = button('Stop the kernel of train.ipynb');
    expect(document.activeElement).toBe(stop);
    stop.click();
    expect(actions.stop).not.toHaveBeenCalled();
    server.answer = () => server.json(snapshot(2, machine({ kernels: [] })));
    answer(server.json(null, 204));
    await stopped;
    expect(await rendered()).not.toContain('train.ipynb');
  });

  it('alerts to what is wrong, and says how old the rest is', async () => {
    await shown(machine());
    server.answer = () =>
      server.json({ message: 'The link is gone.', advice: 'Try again.' }, 503);
    await model.refresh();
    const text = await rendered();
    const alert = panel.node.querySelector('[role=alert]');
    expect(alert?.textContent).toBe('The link is gone.Try again.');
    expect(text).toContain('What you see below is from');
    expect(text).toContain('box');
  });
});
