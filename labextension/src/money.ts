/** US dollars, exactly: the server sends text, and here it is whole micro-dollars. Never a number: it would be a float. */

const MICROS_PER_DOLLAR = 1_000_000n;
const MS_PER_HOUR = 3_600_000n;

/** Millionths of a dollar. */
export type Micros = bigint;

/** Dollars as the server writes them, like `2.50` or `0.000012`. */
export function parseDollars(text: string): Micros {
  const found = /^(-?)(\d+)(?:\.(\d{1,6}))?$/.exec(text);
  if (!found) {
    throw new RangeError(`"${text}" is no sum of dollars`);
  }
  const [, sign, whole, part = ''] = found;
  const micros =
    BigInt(whole) * MICROS_PER_DOLLAR + BigInt(part.padEnd(6, '0'));
  return sign ? -micros : micros;
}

/** What a price per hour comes to; a part of a micro-dollar counts whole, as in the ledger. */
export function during(price: Micros, ms: number): Micros {
  const time = BigInt(Math.max(0, Math.floor(ms)));
  return (price * time + MS_PER_HOUR - 1n) / MS_PER_HOUR;
}

/** For how many milliseconds this sum pays a price per hour; `null` for ever. */
export function lasts(sum: Micros, price: Micros): number | null {
  if (price <= 0n) {
    return null;
  }
  return sum <= 0n ? 0 : Number((sum * MS_PER_HOUR) / price);
}

/** How much of the whole a part is, in whole percent, rounded down. */
export function percentOf(part: Micros, whole: Micros): number {
  return whole <= 0n ? 100 : Number((part * 100n) / whole);
}

export function least(one: Micros, other: Micros): Micros {
  return one < other ? one : other;
}

/** A sum for people: cents, and more places where cents would say too little. */
export function shownSum(sum: Micros): string {
  const size = sum < 0n ? -sum : sum;
  const places = [2, 4].find(each => rounded(size, each) >= 10n) ?? 6;
  return `${sum < 0n ? '-' : ''}$${size ? inPlaces(size, places) : '0.00'}`;
}

/** A price as it is: the server wrote as many places as it needs. */
export function shownPrice(text: string): string {
  return text.startsWith('-') ? `-$${text.slice(1)}` : `$${text}`;
}

function inPlaces(size: Micros, places: number): string {
  const digits = rounded(size, places)
    .toString()
    .padStart(places + 1, '0');
  return `${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

/** In units of the last place; a half goes to the even one, as everywhere in our accounts. */
function rounded(size: Micros, places: number): bigint {
  const unit = 10n ** BigInt(6 - places);
  const [down, rest] = [size / unit, size % unit];
  const isUp = rest * 2n > unit || (rest * 2n === unit && down % 2n === 1n);
  return isUp ? down + 1n : down;
}
