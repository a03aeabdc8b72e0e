/**
 * Money as the exchange counts it: whole numbers of 1e-8, exactly (docs/adr/0001). Text becomes one here and is printed
 * from one here; every rounding has a side. Nothing in between is a binary float.
 */

export type E8 = bigint;

export const ONE: E8 = 100_000_000n;
const SCALE_DIGITS = 8;
// The exchange's own bound: a signed 64-bit count.
const MAX_E8 = (1n << 63n) - 1n;
const decimal = /^(\d{0,12})(?:\.(\d{0,8}))?$/;

/** What a person typed, or null if it is no amount. Empty is no amount; "1." and ".5" are. */
export function parseAmount(text: string): E8 | null {
  const match = decimal.exec(text.trim());
  if (match === null) return null;
  const whole = match[1] ?? "";
  const fraction = match[2] ?? "";
  if (whole === "" && fraction === "") return null;
  const value = BigInt(whole + fraction.padEnd(SCALE_DIGITS, "0"));
  return value > MAX_E8 ? null : value;
}

/** A decimal string of the wire, which may be negative. What is not one is the server's bug and says so. */
export function e8(text: string): E8 {
  const value = text.startsWith("-") ? parseAmount(text.slice(1)) : parseAmount(text);
  if (value === null) throw new Error(`not an amount: ${text}`);
  return text.startsWith("-") ? -value : value;
}

/** The plain decimal, without trailing zeros but with at least this many places: "0.5", "63120.10". */
export function plain(value: E8, placesMin = 0): string {
  const sign = value < 0n ? "-" : "";
  const digits = (value < 0n ? -value : value).toString().padStart(SCALE_DIGITS + 1, "0");
  const whole = digits.slice(0, -SCALE_DIGITS);
  const fraction = digits.slice(-SCALE_DIGITS).replace(/0+$/, "").padEnd(placesMin, "0");
  return sign + (fraction === "" ? whole : `${whole}.${fraction}`);
}

/** For reading: thousands apart, exactly this many places, the rest cut off (towards zero). */
export function show(value: E8, places: number): string {
  const text = plain(cutOff(value, placeUnit(places)), places);
  const [whole = "", fraction] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** Large amounts in few characters: 1.2K, 3.45M, 6.7B. */
export function showShort(value: E8): string {
  for (const [unit, suffix] of [
    [1_000_000_000n, "B"],
    [1_000_000n, "M"],
    [10_000n, "K"],
  ] as const) {
    const divisor = suffix === "K" ? 1_000n : unit;
    if (value >= unit * ONE) return show(value / divisor, 2) + suffix;
  }
  return show(value, value >= 1000n * ONE ? 0 : value >= ONE ? 2 : 4);
}

/** How many decimal places a tick or step has: 2 for 0.01. */
export function placesOf(unit: E8): number {
  const fraction = plain(unit).split(".")[1];
  return fraction?.length ?? 0;
}

export function placeUnit(places: number): E8 {
  return 10n ** BigInt(Math.max(0, SCALE_DIGITS - places));
}

/** Towards zero, onto the grid of this unit. */
export function cutOff(value: E8, unit: E8): E8 {
  return unit === 0n ? value : value - (value % unit);
}

export function roundUp(value: E8, unit: E8): E8 {
  return unit === 0n ? value : ((value + unit - 1n) / unit) * unit;
}

export const isOnGrid = (value: E8, unit: E8): boolean => unit === 0n || value % unit === 0n;

/** What a quantity costs, cut off below 1e-8 (ticks and steps make it exact on a valid market). */
export const timesFloor = (a: E8, b: E8): E8 => (a * b) / ONE;
export const timesCeil = (a: E8, b: E8): E8 => (a * b + ONE - 1n) / ONE;
export const divideFloor = (a: E8, b: E8): E8 => (b === 0n ? 0n : (a * ONE) / b);

/** So many hundredths of a per cent of it, cut off. */
export const basisPointsOf = (value: E8, basisPoints: number): E8 => (value * BigInt(basisPoints)) / 10_000n;

/** The change from one price to another in hundredths of a per cent, towards zero. */
export function changeBasisPoints(from: E8, to: E8): bigint {
  return from === 0n ? 0n : ((to - from) * 10_000n) / from;
}

/** "+1.25 %" of 125. */
export function showBasisPoints(basisPoints: bigint): string {
  const sign = basisPoints > 0n ? "+" : basisPoints < 0n ? "−" : "";
  const size = basisPoints < 0n ? -basisPoints : basisPoints;
  return `${sign}${size / 100n}.${(size % 100n).toString().padStart(2, "0")}%`;
}

export const smaller = (a: E8, b: E8): E8 => (a < b ? a : b);
export const larger = (a: E8, b: E8): E8 => (a > b ? a : b);
export const compareE8 = (a: E8, b: E8): number => (a < b ? -1 : a > b ? 1 : 0);
