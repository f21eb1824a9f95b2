/** Outputs that come a second time are shown once: a server that is killed may have just passed on what it had not noted. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel, KernelMessage, KernelSpec } from '@jupyterlab/services';

/** What comes again is the last that had come; a little more is remembered than that. */
const MOST_REMEMBERED = 64;

export class Repeats {
  /** Only kernels for which `isOurs` is true of the kernelspec's name are watched. */
  constructor(private readonly isOurs: (kernelName: string) => boolean) {}

  /** From now on, whichever kernel it has. */
  watch(context: ISessionContext): void {
    const watched = context.session?.kernel;
    if (watched) {
      this.watchKernel(watched);
    }
    context.kernelChanged.connect((_, { newValue }) => {
      if (newValue) {
        this.watchKernel(newValue);
      }
    });
  }

  watchKernel(kernel: Kernel.IKernelConnection): void {
    if (this.isOurs(kernel.name)) {
      kernel.anyMessage.connect(this.onMessage, this);
    }
  }

  private onMessage(
    kernel: Kernel.IKernelConnection,
    { msg, direction }: Kernel.IAnyMessageArgs
  ): void {
    if (direction === 'send' && msg.header.msg_type === 'execute_request') {
      // The kernel connection knows the request only after this signal.
      void Promise.resolve().then(() => {
        if (!kernel.isDisposed) {
          kernel.registerMessageHook(msg.header.msg_id, firstTimesOnly());
        }
      });
    }
  }
}

/** Whether kernels of that spec are started by our provisioner. */
export function isOurs(spec: KernelSpec.ISpecModel | undefined): boolean {
  const provisioner = spec?.metadata?.kernel_provisioner as
    { provisioner_name?: unknown } | undefined;
  return provisioner?.provisioner_name === 'gpu-bridge';
}

/** A hook that lets each message pass once. */
export function firstTimesOnly(): (
  msg: KernelMessage.IIOPubMessage
) => boolean {
  const seen = new Set<string>();
  return ({ header: { msg_id } }) => {
    if (seen.has(msg_id)) {
      return false;
    }
    seen.add(msg_id);
    if (seen.size > MOST_REMEMBERED) {
      const [oldest] = seen;
      seen.delete(oldest);
    }
    return true;
  };
}
