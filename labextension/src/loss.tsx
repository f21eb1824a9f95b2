/** What is lost when a rented machine is ended, for whoever is asked whether it should be. */

import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { Account } from './account';
import type { IKernel, IMachine, IRental } from './api';
import type { ComputeModel } from './model';
import { shownSum } from './money';
import { currentAttempt, earlierCost, rentedElsewhere } from './rentalwords';
import { kernelName, kernelState } from './words';

export function lossOnEnd(
  rental: IRental,
  model: Pick<ComputeModel, 'machineOf' | 'now'>,
  trans: TranslationBundle
): React.ReactElement {
  const attempt = currentAttempt(rental);
  if (attempt === null) {
    return <p>{trans.__('Nothing is rented for it yet. The search ends.')}</p>;
  }
  const { cost: sum } = new Account(attempt, model.now(), earlierCost(rental));
  const cost = shownSum(sum);
  return (
    <div className="jp-GpuBridge-loss">
      {rental.elsewhere && (
        <p>
          <strong>{rentedElsewhere(rental, trans)}</strong>{' '}
          {trans.__('It is not yours to end, unless that was agreed.')}
        </p>
      )}
      <Kernels machine={model.machineOf(rental)} trans={trans} />
      <p>
        {trans.__(
          'The machine is deleted, with everything on its disk. Notebooks and files of this Jupyter server stay.'
        )}
      </p>
      <p>
        {attempt.pretend
          ? trans.__('It has cost %1 of pretend money so far.', cost)
          : trans.__('It has cost %1 so far.', cost)}
      </p>
    </div>
  );
}

/** Busy ones first: they lose what nobody has written down yet. */
function Kernels(props: {
  readonly machine: IMachine | null;
  readonly trans: TranslationBundle;
}): React.ReactElement | null {
  const { machine, trans } = props;
  if (machine === null) {
    return null;
  }
  const kernels = machine.kernels.filter(({ state }) => state !== 'dead');
  const sorted = [
    ...kernels.filter(isBusy),
    ...kernels.filter(kernel => !isBusy(kernel))
  ];
  return (
    <>
      {sorted.length > 0 && (
        <>
          <p>
            {trans.__(
              'These kernels end, and everything in their memory is lost:'
            )}
          </p>
          <ul>
            {sorted.map(kernel => (
              <li key={kernel.kernel_id}>
                <strong>{kernel.path || kernelName(kernel, trans)}</strong>
                {': '}
                {isBusy(kernel)
                  ? trans.__('busy; the cell that it runs is broken off')
                  : kernelState(kernel, machine, trans).words}
              </li>
            ))}
          </ul>
        </>
      )}
      {machine.state !== 'connected' ? (
        <p>
          {trans.__(
            'The machine cannot be asked now: other kernels may run on it, too.'
          )}
        </p>
      ) : (
        sorted.length === 0 && <p>{trans.__('No kernel runs on it.')}</p>
      )}
    </>
  );
}

function isBusy(kernel: IKernel): boolean {
  return kernel.state === 'busy';
}
