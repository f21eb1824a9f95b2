import {
  during,
  lasts,
  parseDollars,
  percentOf,
  shownPrice,
  shownSum
} from '../money';

describe('parseDollars', () => {
  it.each([
    ['0.00', 0n],
    ['2.50', 2_500_000n],
    ['0.000001', 1n],
    ['1234567890.123456', 1_234_567_890_123_456n],
    ['-0.50', -500_000n],
    ['7', 7_000_000n]
  ])('reads %s exactly', (text, micros) => {
    expect(parseDollars(text)).toBe(micros);
  });

  it('keeps what a float would lose', () => {
    const sum = parseDollars('0.1') + parseDollars('0.2');
    expect(sum).toBe(parseDollars('0.3'));
  });

  it.each(['', '$1', '1e3', '0.0000001', '1,5', 'NaN', '1.'])(
    'refuses %p',
    text => {
      expect(() => parseDollars(text)).toThrow(RangeError);
    }
  );
});

describe('during', () => {
  it.each([
    [2_500_000n, 3_600_000, 2_500_000n],
    [2_500_000n, 1_000, 695n], // 694.4: a part counts whole, as in the ledger
    [1n, 1, 1n],
    [2_500_000n, 0, 0n],
    [2_500_000n, -5_000, 0n],
    [2_500_000n, 0.9, 0n],
    [0n, 3_600_000, 0n]
  ])('counts %p per hour for %p ms as %p', (price, ms, cost) => {
    expect(during(price, ms)).toBe(cost);
  });

  it('is exact for the dearest machine in the longest time', () => {
    const price = parseDollars('9999.999999');
    expect(during(price, 30 * 24 * 3_600_000)).toBe(price * 720n);
  });
});

describe('shownSum', () => {
  it.each([
    ['0.00', '$0.00'],
    ['1.25', '$1.25'],
    ['1.254', '$1.25'],
    ['1.255', '$1.26'],
    ['1.245', '$1.24'], // a half goes to the even one
    ['1.999999', '$2.00'],
    ['0.10', '$0.10'],
    ['0.0996', '$0.10'],
    ['0.0949', '$0.0949'],
    ['0.0042', '$0.0042'],
    ['0.00096', '$0.0010'],
    ['0.000012', '$0.000012'],
    ['0.000001', '$0.000001'],
    ['1234.5', '$1234.50'],
    ['-1.50', '-$1.50']
  ])('shows %s as %s', (text, shown) => {
    expect(shownSum(parseDollars(text))).toBe(shown);
  });
});

describe('shares and times', () => {
  it.each([
    ['0', '5', 0],
    ['3.999999', '5', 79],
    ['4', '5', 80],
    ['6', '5', 120],
    ['0', '0', 100]
  ])('%s of %s is %p %', (part, whole, percent) => {
    expect(percentOf(parseDollars(part), parseDollars(whole))).toBe(percent);
  });

  it('says for how long a sum pays, never too long', () => {
    expect(lasts(2_500_000n, 2_500_000n)).toBe(3_600_000);
    expect(lasts(1n, 3_600_000n)).toBe(1);
    expect(lasts(1n, 7_200_000n)).toBe(0);
    expect(lasts(-1n, 1n)).toBe(0);
    expect(lasts(1n, 0n)).toBeNull();
  });

  it('shows a price with all of its places', () => {
    expect(shownPrice('2.50')).toBe('$2.50');
    expect(shownPrice('0.0004')).toBe('$0.0004');
    expect(shownPrice('-1.00')).toBe('-$1.00');
  });
});
