import { KernelMessage } from '@jupyterlab/services';
import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

import { firstTimesOnly, Repeats } from '../repeats';

type Hook = Parameters<Kernel.IKernelConnection['registerMessageHook']>[1];

function output(msgId: string): KernelMessage.IStreamMsg {
  return KernelMessage.createMessage({
    channel: 'iopub',
    msgType: 'stream',
    msgId,
    session: 'kernel',
    username: '',
    content: { name: 'stdout', text: msgId }
  });
}

function request(msgId: string): KernelMessage.IExecuteRequestMsg {
  return KernelMessage.createMessage({
    channel: 'shell',
    msgType: 'execute_request',
    msgId,
    session: 'page',
    username: '',
    content: { code: '' }
  });
}

/** As far as `Repeats` looks at one. */
class FakeKernel {
  isDisposed = false;
  readonly anyMessage = new Signal<this, Kernel.IAnyMessageArgs>(this);
  readonly hooks = new Map<string, Hook>();

  constructor(readonly name: string) {}

  registerMessageHook(msgId: string, hook: Hook): void {
    this.hooks.set(msgId, hook);
  }

  get connection(): Kernel.IKernelConnection {
    return this as unknown as Kernel.IKernelConnection;
  }
}

describe('Repeats', () => {
  const repeats = new Repeats(name => name === 'gpu');

  it('lets an output pass once, for each execution', async () => {
    const kernel = new FakeKernel('gpu');
    repeats.watchKernel(kernel.connection);
    for (const msgId of ['one', 'two']) {
      kernel.anyMessage.emit({ msg: request(msgId), direction: 'send' });
    }
    await Promise.resolve();
    expect([...kernel.hooks.keys()]).toEqual(['one', 'two']);
    const hook = kernel.hooks.get('one')!;
    const passed = ['a', 'b', 'b', 'c'].map(msgId => hook(output(msgId)));
    expect(passed).toEqual([true, true, false, true]);
    expect(kernel.hooks.get('two')!(output('a'))).toBe(true);
  });

  it('leaves other kernels, other messages and disposed connections alone', async () => {
    const other = new FakeKernel('python3');
    const kernel = new FakeKernel('gpu');
    for (const each of [other, kernel]) {
      repeats.watchKernel(each.connection);
    }
    other.anyMessage.emit({ msg: request('one'), direction: 'send' });
    kernel.anyMessage.emit({ msg: output('one'), direction: 'recv' });
    kernel.anyMessage.emit({ msg: request('two'), direction: 'send' });
    kernel.isDisposed = true;
    await Promise.resolve();
    expect(other.hooks.size + kernel.hooks.size).toBe(0);
  });
});

describe('firstTimesOnly', () => {
  it('remembers the last ones only', () => {
    const hook = firstTimesOnly();
    for (let number = 0; number < 1000; number++) {
      expect(hook(output(`${number}`))).toBe(true);
    }
    expect(hook(output('999'))).toBe(false);
    expect(hook(output('0'))).toBe(true);
  });
});
