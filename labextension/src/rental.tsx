/** One rental: what it is, how far it is, what it costs, when it ends, and what runs on its machine. */

import { Time } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { addIcon, errorIcon, stopIcon } from '@jupyterlab/ui-components';
import React, { useEffect, useState } from 'react';

import { Account, EXTENSION_MINUTES, isGrowing } from './account';
import type { IActions } from './actions';
import type { IAttempt, IRental } from './api';
import { MachineStanding, MachineWork } from './machine';
import type { ComputeModel } from './model';
import { shownPrice, shownSum } from './money';
import {
  currentAttempt,
  earlierCost,
  rentalDetail,
  rentalFullName,
  rentalName,
  rentalPurpose,
  rentalState,
  rentedElsewhere,
  span,
  unwatched
} from './rentalwords';
import { State } from './state';

interface IRentalProps {
  readonly rental: IRental;
  readonly model: ComputeModel;
  readonly actions: IActions;
  readonly trans: TranslationBundle;
}

interface IMoneyProps extends IRentalProps {
  readonly attempt: IAttempt;
  readonly account: Account;
}

const TICK_MS = 1_000;

export function RentalItem(props: IRentalProps): React.ReactElement {
  const { model, trans } = props;
  const rental = asTold(props.rental, model);
  const { stage, warning, warned } = rental;
  const attempt = currentAttempt(rental);
  const now = useNow(model, attempt !== null && stage !== 'gone');
  const machine = model.machineOf(rental);
  const detail = rentalDetail(rental, trans);
  const money = attempt && {
    ...props,
    rental,
    attempt,
    account: new Account(attempt, now, earlierCost(rental))
  };
  return (
    <li className="jp-GpuBridge-rental" data-stage={stage}>
      <Head {...props} rental={rental} />
      <Facts rental={rental} trans={trans} />
      <div className="jp-GpuBridge-standing">
        <State shown={rentalState(rental, trans)} isAnnounced />
        {machine && <MachineStanding machine={machine} trans={trans} />}
      </div>
      {money && <Cost {...money} />}
      {rental.elsewhere && (
        <p className="jp-GpuBridge-detail">{rentedElsewhere(rental, trans)}</p>
      )}
      {detail && <p className="jp-GpuBridge-detail">{detail}</p>}
      {money && stage !== 'ending' && stage !== 'gone' && <Limits {...money} />}
      {warning && (
        <div className="jp-GpuBridge-warning">
          <errorIcon.react tag="span" aria-hidden="true" />
          <div>
            <span role="status">{warning}</span>{' '}
            {warned && (
              <span className="jp-GpuBridge-quiet">
                {trans.__('(%1)', Time.formatHuman(warned))}
              </span>
            )}
          </div>
        </div>
      )}
      {rental.unwatched_since && (
        <div className="jp-GpuBridge-warning">
          <errorIcon.react tag="span" aria-hidden="true" />
          <div>
            <span role="status">
              {unwatched(rental.unwatched_since, trans)}
            </span>
          </div>
        </div>
      )}
      {machine && <MachineWork {...props} machine={machine} />}
    </li>
  );
}

function Head({
  rental,
  model,
  actions,
  trans
}: IRentalProps): React.ReactElement {
  const label = trans.__('Stop %1', rentalFullName(rental, trans));
  const isEnding = rental.stage === 'ending';
  return (
    <div className="jp-GpuBridge-rentalHead">
      <h3>{rentalName(rental, trans)}</h3>
      {rental.stage !== 'gone' && (
        <button
          type="button"
          className="jp-GpuBridge-button"
          title={label}
          aria-label={label}
          aria-disabled={isEnding}
          onClick={() => {
            // Not `disabled`: a button that vanishes from under the keyboard takes the focus with it.
            if (!isEnding && !model.isEnding(rental)) {
              actions.endRental(rental);
            }
          }}
        >
          <stopIcon.react tag="span" aria-hidden="true" />
          <span>{trans.__('Stop')}</span>
        </button>
      )}
    </div>
  );
}

function Facts({
  rental,
  trans
}: Pick<IRentalProps, 'rental' | 'trans'>): React.ReactElement | null {
  const attempt = currentAttempt(rental);
  if (attempt === null) {
    return null; // its title says what it is for
  }
  return (
    <div className="jp-GpuBridge-about">
      {attempt.pretend && (
        <span
          className="jp-GpuBridge-pretend"
          title={trans.__(
            'It runs on this computer: there is no such GPU, and no money is spent.'
          )}
        >
          {trans.__('pretend')}
        </span>
      )}
      <ul className="jp-GpuBridge-facts">
        <li>{trans.__('for %1', rentalPurpose(rental))}</li>
        {attempt.region && <li>{attempt.region}</li>}
        {attempt.spot && (
          <li title={trans.__('The provider may take it back at any time.')}>
            {trans.__('spot')}
          </li>
        )}
      </ul>
    </div>
  );
}

function Cost({
  rental,
  attempt,
  account,
  trans
}: IMoneyProps): React.ReactElement {
  const cost = shownSum(account.cost);
  if (rental.stage === 'gone') {
    return (
      <p className="jp-GpuBridge-cost">
        <strong>{trans.__('It cost %1.', cost)}</strong>
        {attempt.gone && (
          <time
            className="jp-GpuBridge-quiet"
            dateTime={attempt.gone}
            title={new Date(attempt.gone).toLocaleString()}
          >
            {trans.__('ended %1', Time.formatHuman(attempt.gone))}
          </time>
        )}
      </p>
    );
  }
  const counted = attempt.cost_as_of
    ? trans.__(
        'Counted until %1, and estimated by its price since then.',
        new Date(attempt.cost_as_of).toLocaleTimeString()
      )
    : trans.__('Estimated by its price.');
  return (
    <p className="jp-GpuBridge-cost">
      <span title={isGrowing(attempt) ? counted : undefined}>
        <strong>{cost}</strong> {trans.__('so far')}
      </span>
      <span className="jp-GpuBridge-quiet">
        {trans.__('%1 per hour', shownPrice(attempt.price_per_hour))}
      </span>
    </p>
  );
}

function Limits(props: IMoneyProps): React.ReactElement {
  return (
    <>
      {props.account.budget !== null && <Budget {...props} />}
      <Deadline {...props} />
    </>
  );
}

function Budget({ account, trans }: IMoneyProps): React.ReactElement {
  const percent = account.budgetPercent ?? 0;
  const { budgetLeft, isBudgetLow } = account;
  const used = trans.__(
    '%1 % of %2 used',
    percent,
    shownSum(account.budget ?? 0n)
  );
  const shown = Math.min(100, percent);
  return (
    <div className="jp-GpuBridge-limit" data-low={isBudgetLow}>
      <div
        className="jp-GpuBridge-bar"
        role="meter"
        aria-label={trans.__('Budget')}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={shown}
        aria-valuetext={used}
      >
        <div style={{ width: `${shown}%` }} />
      </div>
      <p>
        {isBudgetLow && <errorIcon.react tag="span" aria-hidden="true" />}
        <span>
          {isBudgetLow ? trans.__('Budget nearly gone: %1', used) : used}
        </span>
      </p>
      {budgetLeft !== null && (
        <span className="jp-GpuBridge-quiet">
          {trans.__('budget lasts %1', span(budgetLeft, trans))}
        </span>
      )}
    </div>
  );
}

function Deadline({
  rental,
  attempt,
  account,
  model,
  actions,
  trans
}: IMoneyProps): React.ReactElement {
  const { left, isTimeLow, priceOfExtension } = account;
  const isExtending = model.isExtending(rental);
  const extend = trans.__('Extend by %1 min', EXTENSION_MINUTES);
  const more = shownSum(priceOfExtension);
  const shown =
    priceOfExtension > 0n ? trans.__('%1 (+%2)', extend, more) : extend;
  return (
    <div className="jp-GpuBridge-limit" data-low={isTimeLow}>
      <p>
        {isTimeLow && <errorIcon.react tag="span" aria-hidden="true" />}
        <time
          dateTime={attempt.deadline}
          title={trans.__(
            'It ends at %1 whatever it does.',
            new Date(attempt.deadline).toLocaleString()
          )}
        >
          {left > 0
            ? trans.__('%1 left', span(left, trans))
            : trans.__('Its time is up')}
        </time>
      </p>
      <button
        type="button"
        className="jp-GpuBridge-button"
        title={
          priceOfExtension > 0n
            ? trans.__('The largest possible bill grows by %1.', more)
            : trans.__('The largest possible bill stays the same.')
        }
        aria-label={trans.__('%1: %2', shown, rentalFullName(rental, trans))}
        aria-disabled={isExtending}
        onClick={() => {
          if (!isExtending) {
            actions.extendRental(rental);
          }
        }}
      >
        <addIcon.react tag="span" aria-hidden="true" />
        <span className="jp-GpuBridge-label">{shown}</span>
      </button>
    </div>
  );
}

/** While the server is told to end it, it is shown as what it will be. */
function asTold(rental: IRental, model: ComputeModel): IRental {
  return model.isEnding(rental) && rental.stage !== 'gone'
    ? { ...rental, stage: 'ending' }
    : rental;
}

/** The time of the server, each second while something grows. */
function useNow(model: ComputeModel, isTicking: boolean): number {
  const [, setTicks] = useState(0);
  useEffect(() => {
    if (!isTicking) {
      return;
    }
    const timer = setInterval(() => setTicks(ticks => ticks + 1), TICK_MS);
    return () => clearInterval(timer);
  }, [isTicking]);
  return model.now();
}
