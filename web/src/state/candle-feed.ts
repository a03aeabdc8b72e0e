/** Candles of one market and interval: the last ones over REST, then live; older ones when somebody looks for them. */

import {
  type Candle,
  fromKlineEvent,
  fromKlineRow,
  type Interval,
  withCandle,
  withOlder,
} from "../calculators/candles";
import { klines } from "../wire/rest";
import type { KlineEvent } from "../wire/types";
import { streams } from "./market-feed";

export interface CandleListener {
  /** Everything anew. */
  onAll: (candles: readonly Candle[]) => void;
  /** The last one moved, or a new one began. */
  onLast: (candle: Candle) => void;
  onFailed: () => void;
}

const MAX_CANDLES = 20_000;

export class CandleFeed {
  #candles: readonly Candle[] = [];
  #isRunning = true;
  #isReading = false;
  #hasAll = false;
  readonly #symbol: string;
  readonly #interval: Interval;
  readonly #listener: CandleListener;
  readonly #end: () => void;

  constructor(symbol: string, interval: Interval, listener: CandleListener) {
    this.#symbol = symbol;
    this.#interval = interval;
    this.#listener = listener;
    this.#end = streams.listen(
      `${symbol.toLowerCase()}@kline_${interval}`,
      (data) => this.#onEvent(data as KlineEvent),
      // After a break some candles may be missing.
      () => void this.read(),
    );
    void this.read();
  }

  stop(): void {
    this.#isRunning = false;
    this.#end();
  }

  async read(): Promise<void> {
    try {
      const rows = await klines(this.#symbol, this.#interval);
      if (!this.#isRunning) return;
      this.#candles = rows.map(fromKlineRow);
      this.#hasAll = false;
      this.#listener.onAll(this.#candles);
    } catch {
      if (this.#isRunning && this.#candles.length === 0) this.#listener.onFailed();
    }
  }

  async readOlder(): Promise<void> {
    const first = this.#candles[0];
    if (this.#isReading || this.#hasAll || first === undefined || this.#candles.length >= MAX_CANDLES) return;
    this.#isReading = true;
    try {
      const rows = await klines(this.#symbol, this.#interval, first.time - 1);
      if (!this.#isRunning) return;
      this.#hasAll = rows.length === 0;
      this.#candles = withOlder(rows.map(fromKlineRow), this.#candles);
      if (!this.#hasAll) this.#listener.onAll(this.#candles);
    } catch {
      // Scrolling on asks again.
    } finally {
      this.#isReading = false;
    }
  }

  #onEvent(event: KlineEvent): void {
    const candle = fromKlineEvent(event);
    const candles = withCandle(this.#candles, candle);
    if (candles === this.#candles) return;
    this.#candles = candles;
    this.#listener.onLast(candle);
  }
}
