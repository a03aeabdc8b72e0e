/** Candles of one market and interval: what REST tells, continued by the stream. */

import type { KlineEvent, KlineRow } from "../wire/types";
import { e8, type E8 } from "./money";

export const INTERVALS = ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"] as const;
export type Interval = (typeof INTERVALS)[number];

export interface Candle {
  /** When it opened, in milliseconds. */
  time: number;
  open: E8;
  high: E8;
  low: E8;
  close: E8;
  volume: E8;
}

export const fromKlineRow = ([time, open, high, low, close, volume]: KlineRow): Candle => ({
  time,
  open: e8(open),
  high: e8(high),
  low: e8(low),
  close: e8(close),
  volume: e8(volume),
});

export const fromKlineEvent = ({ k }: KlineEvent): Candle => ({
  time: k.t,
  open: e8(k.o),
  high: e8(k.h),
  low: e8(k.l),
  close: e8(k.c),
  volume: e8(k.v),
});

/** The candles with this one in its place: the last replaced, a new one added; what is older changes nothing. */
export function withCandle(candles: readonly Candle[], candle: Candle): readonly Candle[] {
  const last = candles.at(-1);
  if (last === undefined || candle.time > last.time) return [...candles, candle];
  return candle.time === last.time ? [...candles.slice(0, -1), candle] : candles;
}

/** Older ones before those that are known, each once. */
export function withOlder(older: readonly Candle[], candles: readonly Candle[]): readonly Candle[] {
  const first = candles[0]?.time ?? Infinity;
  return [...older.filter((candle) => candle.time < first), ...candles];
}
