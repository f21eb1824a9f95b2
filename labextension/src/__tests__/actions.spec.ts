import { Dialog, Notification } from '@jupyterlab/apputils';
import { signalToPromise, waitForDialog } from '@jupyterlab/testing';
import { CommandRegistry } from '@lumino/commands';

import { Actions } from '../actions';
import { ComputeModel } from '../model';
import type { IMachine, IRental } from '../api';
import {
  attempt,
  FakeEvents,
  FakeServer,
  kernel,
  machine,
  NOW,
  rental,
  rentedMachine,
  trans
} from './examples';

describe('Actions', () => {
  let server: FakeServer;
  let model: ComputeModel;
  let commands: CommandRegistry;
  let actions: Actions;
  const refreshSpecs = jest.fn(() => Promise.resolve());

  beforeEach(() => {
    server = new FakeServer();
    commands = new CommandRegistry();
    model = new ComputeModel({
      api: server.api,
      events: new FakeEvents(),
      isWatched: () => false
    });
    actions = new Actions(model, commands, { refreshSpecs }, trans);
  });

  afterEach(() => {
    Dialog.flush();
    Notification.dismiss();
    model.dispose();
  });

  function dialog(): HTMLElement {
    return document.querySelector<HTMLElement>('.jp-Dialog')!;
  }

  /** Its title is rendered a moment after the rest. */
  async function titled(): Promise<string> {
    await waitForDialog();
    while (!dialog().querySelector('.jp-Dialog-header')?.textContent) {
      await new Promise(resolve => setTimeout(resolve, 1));
    }
    return dialog().textContent ?? '';
  }

  function press(label: string): void {
    [...dialog().querySelectorAll('button')]
      .find(button => button.textContent === label)!
      .click();
  }

  it('asks before it stops a kernel, and names what is lost', async () => {
    actions.stop(kernel({ state: 'busy' }), machine());
    const text = await titled();
    expect(text).toContain('Stop the kernel of train.ipynb?');
    expect(text).toContain('running a cell now');
    expect(text).toContain('in its memory are lost (machine: box)');
    expect(document.activeElement?.textContent).toBe('Keep it running');
    expect(server.requests).toEqual([]);
  });

  it('stops nothing when the answer is no', async () => {
    actions.stop(kernel(), machine());
    await waitForDialog();
    press('Keep it running');
    await model.refresh();
    expect(server.requests).toEqual(['GET /gpu-bridge/api/v1/machines']);
  });

  it('stops the kernel when the answer is yes', async () => {
    server.answer = () =>
      server.requests.at(-1)?.startsWith('DELETE')
        ? server.json(null, 204)
        : server.json({ revision: 2, machines: [] });
    actions.stop(kernel(), machine());
    await waitForDialog();
    const asked = server.asked();
    press('Stop kernel');
    await asked;
    expect(server.requests[0]).toBe(
      `DELETE /gpu-bridge/api/v1/kernels/${kernel().kernel_id}`
    );
  });

  it('cancels what nobody uses yet without asking', async () => {
    const asked = server.asked();
    actions.cancelRental(rental({ stage: 'booting' }));
    await asked;
    expect(server.requests).toEqual(['DELETE /gpu-bridge/api/v1/rentals/ab12']);
    expect(document.querySelector('.jp-Dialog')).toBeNull();
  });

  it('tells the sentence of the server when something fails', async () => {
    server.answer = () =>
      server.json({ message: 'No such kernel.', advice: 'Refresh.' }, 404);
    const told = new Promise<string>(resolve => {
      Notification.manager.changed.connect((_, { notification }) =>
        resolve(notification.message)
      );
    });
    actions.openLog(kernel());
    expect(await told).toBe('No such kernel. Refresh.');
  });

  it('shows the log of a kernel', async () => {
    server.answer = () => server.json({ log: 'MemoryError: no more' });
    actions.openLog(kernel());
    await waitForDialog();
    expect(dialog().textContent).toContain('MemoryError: no more');
    expect(server.requests).toEqual([
      `GET /gpu-bridge/api/v1/kernels/${kernel().kernel_id}/log`
    ]);
  });

  it('opens a notebook with the kernel of the profile', () => {
    const opened = jest.fn();
    commands.addCommand('notebook:create-new', { execute: opened });
    actions.newNotebook(machine().profiles[0]);
    expect(opened).toHaveBeenCalledWith(
      expect.objectContaining({ kernelName: 'gpu-bridge-box' })
    );
  });

  it('gives a machine its first profile before it opens a notebook there', async () => {
    server.answer = () =>
      server.requests.at(-1)?.startsWith('POST')
        ? server.json(machine().profiles[0], 201)
        : server.json({ revision: 2, machines: [machine()] });
    const opened = new Promise<unknown>(resolve => {
      commands.addCommand('notebook:create-new', { execute: resolve });
    });
    actions.newNotebookOn(machine({ profiles: [] }));
    expect(await opened).toMatchObject({ kernelName: 'gpu-bridge-box' });
    expect(server.requests).toEqual([
      'POST /gpu-bridge/api/v1/profiles',
      'GET /gpu-bridge/api/v1/machines'
    ]);
    expect(server.bodies[0]).toEqual({
      name: 'box',
      machine: 'ssh:box',
      display_name: 'box (GPU bridge)'
    });
    expect(refreshSpecs).toHaveBeenCalled();
  });

  it('opens a new notebook on a kernel that has none', async () => {
    const adopted = {
      kernel_id: 'k1',
      kernel_name: 'gpu-bridge-box',
      path: ''
    };
    server.answer = () =>
      server.requests.at(-1)?.startsWith('POST')
        ? server.json(adopted)
        : server.json({ revision: 2, machines: [machine()] });
    const opened = new Promise<unknown>(resolve => {
      commands.addCommand('notebook:create-new', { execute: resolve });
    });
    actions.openNotebook(kernel({ kernel_id: 'k1', attached: false }));
    expect(await opened).toEqual({ kernelId: 'k1' });
    expect(server.requests).toEqual([
      'POST /gpu-bridge/api/v1/kernels/k1/adoption',
      'GET /gpu-bridge/api/v1/machines'
    ]);
  });

  it('opens the notebook of a kernel, and gives it the kernel if it had none', async () => {
    const path = 'work/train.ipynb';
    server.answer = () =>
      server.requests.at(-1)?.startsWith('POST')
        ? server.json({ kernel_id: 'k1', kernel_name: 'gpu-bridge-box', path })
        : server.json({ revision: 2, machines: [machine()] });
    const opened = jest.fn();
    const changed = new Promise<unknown>(resolve => {
      const changeKernel = resolve;
      const sessionContext = { ready: Promise.resolve(), session: null };
      commands.addCommand('docmanager:open', {
        execute: args => {
          opened(args);
          return { sessionContext: { ...sessionContext, changeKernel } };
        }
      });
    });
    actions.openNotebook(kernel({ kernel_id: 'k1', attached: false }));
    expect(await changed).toEqual({ id: 'k1' });
    expect(opened).toHaveBeenCalledWith({
      path,
      factory: 'Notebook',
      kernel: { id: 'k1' }
    });
  });

  it('opens nothing when the profile cannot be made', async () => {
    server.answer = () =>
      server.json({ message: 'The name is taken.', advice: '' }, 409);
    const opened = jest.fn();
    commands.addCommand('notebook:create-new', { execute: opened });
    const told = new Promise<string>(resolve => {
      Notification.manager.changed.connect((_, { notification }) =>
        resolve(notification.message)
      );
    });
    actions.newNotebookOn(machine({ profiles: [] }));
    expect(await told).toBe('The name is taken.');
    expect(opened).not.toHaveBeenCalled();
  });

  /** The text of the dialogue that asks whether to end it. */
  async function asked(
    what: IRental,
    ...machines: IMachine[]
  ): Promise<string> {
    server.answer = () =>
      server.json({ revision: 1, now: NOW, machines, rentals: [what] });
    await model.refresh();
    server.requests.length = 0;
    actions.endRental(what);
    return titled();
  }

  it('names all that is lost with a rented machine, busy kernels first', async () => {
    const kernels = [
      kernel({ kernel_id: 'i', path: 'explore.ipynb' }),
      kernel({ kernel_id: 'd', path: 'dead.ipynb', state: 'dead' }),
      kernel({ kernel_id: 'b', path: 'work/train.ipynb', state: 'busy' })
    ];
    const text = await asked(rental(), rentedMachine({ kernels }));
    expect(text).toContain('Stop Pretend A100 80 GB · sandbox?');
    expect(text).toContain('work/train.ipynb: busy; the cell');
    expect(text.indexOf('work/train')).toBeLessThan(text.indexOf('explore'));
    expect(text).not.toContain('dead.ipynb');
    expect(text).toContain('deleted, with everything on its disk');
    expect(text).toContain('It has cost $1.25 of pretend money so far.');
    expect(document.activeElement?.textContent).toBe('Keep it');
    expect(server.requests).toEqual([]);
  });

  it("says whose it is before a colleague's machine is ended", async () => {
    const theirs = rental({ elsewhere: true, asked_by: 'kernel 1 (bo)' });
    const text = await asked(theirs, rentedMachine());
    expect(text).toContain('Rented elsewhere, by kernel 1 (bo).');
    expect(text).toContain('It is not yours to end');
  });

  it('does not say that nothing runs on a machine that cannot be asked', async () => {
    const cut = rentedMachine({ state: 'reconnecting', kernels: [] });
    const text = await asked(rental(), cut);
    expect(text).toContain('cannot be asked now');
    expect(text).not.toContain('No kernel runs on it');
  });

  it('says that nothing runs on a machine that said so', async () => {
    const real = rental({ attempt: attempt({ pretend: false }) });
    const text = await asked(real, rentedMachine({ kernels: [] }));
    expect(text).toContain('No kernel runs on it.');
    expect(text).toContain('It has cost $1.25 so far.');
  });

  it('says that only a search ends where nothing is rented', async () => {
    const text = await asked(rental({ stage: 'searching', attempt: null }));
    expect(text).toContain('Stop A machine for train?');
    expect(text).toContain('Nothing is rented for it yet.');
    expect(text).not.toContain('cost');
  });

  it('ends the rental when the answer is yes, and only then', async () => {
    await asked(rental());
    press('Keep it');
    await model.refresh();
    expect(server.requests).toEqual(['GET /gpu-bridge/api/v1/machines']);
    await asked(rental());
    const told = server.asked();
    press('Stop and delete it');
    await told;
    expect(server.requests[0]).toBe('DELETE /gpu-bridge/api/v1/rentals/ab12');
  });

  it('extends by half an hour, and looks again afterwards', async () => {
    server.answer = () =>
      server.json({ revision: 1, now: NOW, machines: [], rentals: [] });
    actions.extendRental(rental());
    expect(model.isExtending(rental())).toBe(true);
    await signalToPromise(model.stateChanged);
    while (model.isExtending(rental())) {
      await signalToPromise(model.stateChanged);
    }
    expect(server.requests).toEqual([
      'POST /gpu-bridge/api/v1/rentals/ab12/extension',
      'GET /gpu-bridge/api/v1/machines'
    ]);
    expect(server.bodies).toEqual([{ minutes: 30 }]);
  });

  it('tells the sentence of the server when a rental cannot be ended', async () => {
    await asked(rental());
    server.answer = () =>
      server.json(
        { message: 'The ledger cannot be written.', advice: '' },
        503
      );
    const told = new Promise<string>(resolve => {
      Notification.manager.changed.connect((_, { notification }) =>
        resolve(notification.message)
      );
    });
    press('Stop and delete it');
    expect(await told).toBe('The ledger cannot be written.');
    expect(model.isEnding(rental())).toBe(false);
  });
});
