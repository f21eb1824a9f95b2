import { Account } from '../account';
import type { IAttempt } from '../api';
import { parseDollars } from '../money';
import { attempt, minutes, NOW } from './examples';

function account(given: Partial<IAttempt>, afterMinutes = 0): Account {
  return new Account(attempt(given), Date.parse(minutes(afterMinutes)));
}

describe('Account', () => {
  it('goes on counting from where the ledger has counted to', () => {
    expect(account({}).cost).toBe(parseDollars('1.25'));
    expect(account({}, 60).cost).toBe(parseDollars('3.75'));
    expect(account({}, 1 / 60).cost).toBe(parseDollars('1.250695'));
  });

  it('counts from the request where nothing was counted yet, as the ledger will', () => {
    const young = { cost: '0.00', cost_as_of: null, requested: NOW };
    expect(account({ ...young, state: 'created' }, 6).cost).toBe(
      parseDollars('0.25')
    );
  });

  it.each(['created', 'reachable', 'in_use', 'releasing'] as const)(
    'grows while the attempt is %s',
    state => {
      expect(account({ state }, 60).cost).toBe(parseDollars('3.75'));
    }
  );

  it.each(['intent', 'requested', 'unknown', 'gone'] as const)(
    'does not grow while the attempt is %s',
    state => {
      expect(account({ state }, 60).cost).toBe(parseDollars('1.25'));
    }
  );

  it('counts what earlier attempts have cost, and shares their budget', () => {
    const given = [Date.parse(NOW), parseDollars('1.00')] as const;
    const paid = new Account(attempt({}), ...given);
    expect(paid.cost).toBe(parseDollars('2.25'));
    expect(paid.budget).toBe(parseDollars('6.00'));
    expect(paid.budgetLeft).toBe(account({}).budgetLeft);
    expect(paid.priceOfExtension).toBe(account({}).priceOfExtension);
    const gone = new Account(attempt({ state: 'gone' }), ...given);
    expect(gone.cost).toBe(parseDollars('2.25'));
  });

  it('never counts backwards when a clock is behind', () => {
    expect(account({}, -10).cost).toBe(parseDollars('1.25'));
  });

  it.each([
    ['3.99', 79, false],
    ['4.00', 80, true],
    ['5.50', 110, true]
  ])('of a budget of 5, %s is %p %, low: %p', (cost, percent, isLow) => {
    expect(account({ cost }).budgetPercent).toBe(percent);
    expect(account({ cost }).isBudgetLow).toBe(isLow);
  });

  it('has no share of a budget that there is not', () => {
    const free = account({ budget: null });
    expect(free.budgetPercent).toBeNull();
    expect(free.isBudgetLow).toBe(false);
    expect(free.budgetLeft).toBeNull();
  });

  it('says how long the budget lasts only where that is sooner than the deadline', () => {
    expect(account({ deadline: minutes(100) }).budgetLeft).toBe(90 * 60_000);
    expect(account({ deadline: minutes(80) }).budgetLeft).toBeNull();
  });

  it('knows the time left', () => {
    expect(account({ deadline: minutes(10) }).left).toBe(600_000);
    expect(account({ deadline: minutes(10) }).isTimeLow).toBe(false);
    expect(account({ deadline: minutes(10) }, 1).isTimeLow).toBe(true);
    expect(account({ deadline: minutes(10) }, 11).left).toBeLessThan(0);
  });

  it('adds to the largest bill what half an hour costs, and nothing above the budget', () => {
    const more = (budget: string | null, deadline: number): bigint =>
      account({ budget, deadline: minutes(deadline) }).priceOfExtension;
    expect(more(null, 60)).toBe(parseDollars('1.25'));
    expect(more('100.00', 60)).toBe(parseDollars('1.25'));
    expect(more('4.00', 60)).toBe(parseDollars('0.25'));
    expect(more('3.00', 60)).toBe(0n);
  });

  it('knows what an extension costs before anything is billed', () => {
    const asked = {
      state: 'requested' as const,
      cost: '0.00',
      cost_as_of: null,
      budget: null
    };
    expect(account({ ...asked, requested: null }).priceOfExtension).toBe(
      parseDollars('1.25')
    );
  });
});
