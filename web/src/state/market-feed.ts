/**
 * The market in front of us: book, trades and tickers, kept from snapshot and stream. Messages change plain data at
 * once; React hears of it at most every PUBLISH_MS, and not at all while nobody looks.
 */

import { create } from "zustand";

import { type Book, DepthSync } from "../calculators/book";
import { fromDayTicker, fromMiniTicker, type Ticker } from "../calculators/markets";
import { prepend, type TapeTrade, toTape, fromTradeEvent } from "../calculators/tape";
import { MarketStreams } from "../wire/market-streams";
import { dayTickers, depth, recentTrades } from "../wire/rest";
import type { DepthDiff, MiniTicker, TradeEvent } from "../wire/types";
import { useLinks } from "./links";

export const PUBLISH_MS = 100;
const RETRY_MS = 1_000;

export type Loading = "loading" | "ready" | "failed";

interface MarketFeed {
  symbol: string | null;
  book: { status: Loading; book: Book; version: number };
  tape: { status: Loading; trades: readonly TapeTrade[] };
  tickers: Readonly<Record<string, Ticker>>;
}

const NO_BOOK: Book = { bids: new Map(), asks: new Map() };

export const useMarketFeed = create<MarketFeed>(() => ({
  symbol: null,
  book: { status: "loading", book: NO_BOOK, version: 0 },
  tape: { status: "loading", trades: [] },
  tickers: {},
}));

export const streams = new MarketStreams(
  (market) => useLinks.setState({ market }),
  (latencyMs) => useLinks.setState({ latencyMs }),
);

/** Start what every page shows: tickers of all markets. */
export function startFeed(): void {
  streams.start();
  streams.listen(
    "!miniTicker@arr",
    (data) => mergeTickers((data as MiniTicker[]).map(fromMiniTicker)),
    () =>
      void dayTickers().then(
        (rows) => mergeTickers(rows.map(fromDayTicker)),
        () => undefined,
      ),
  );
  void dayTickers().then(
    (rows) => mergeTickers(rows.map(fromDayTicker)),
    () => undefined,
  );
}

function mergeTickers(changed: readonly Ticker[]): void {
  useMarketFeed.setState(({ tickers }) => ({
    tickers: { ...tickers, ...Object.fromEntries(changed.map((ticker) => [ticker.symbol, ticker])) },
  }));
}

/** Follow one market until what is returned is called. */
export function followMarket(symbol: string): () => void {
  const followed = new FollowedMarket(symbol);
  followed.start();
  return () => followed.stop();
}

class FollowedMarket {
  readonly #symbol: string;
  readonly #sync = new DepthSync();
  #trades: readonly TapeTrade[] = [];
  #status: { book: Loading; tape: Loading } = { book: "loading", tape: "loading" };
  #version = 0;
  #isFollowed = true;
  #isAsking = false;
  #publishing: ReturnType<typeof setTimeout> | undefined;
  #ends: (() => void)[] = [];

  constructor(symbol: string) {
    this.#symbol = symbol;
  }

  start(): void {
    const name = this.#symbol.toLowerCase();
    this.#publish();
    this.#ends = [
      streams.listen(
        `${name}@depth@100ms`,
        (data) => this.#onDiff(data as DepthDiff),
        () => this.#anew(),
      ),
      streams.listen(`${name}@trade`, (data) => this.#onTrade(data as TradeEvent)),
    ];
    const onVisible = (): void => this.#schedule();
    document.addEventListener("visibilitychange", onVisible);
    this.#ends.push(() => document.removeEventListener("visibilitychange", onVisible));
    this.#anew();
  }

  stop(): void {
    this.#isFollowed = false;
    clearTimeout(this.#publishing);
    for (const end of this.#ends) end();
  }

  /** After a (re)connection nothing that was known can be trusted. What is shown stays until there is better. */
  #anew(): void {
    this.#sync.reset();
    void this.#askDepth();
    void this.#askTrades();
  }

  #onDiff(diff: DepthDiff): void {
    const outcome = this.#sync.onDiff(diff);
    if (outcome === "resync") {
      useLinks.setState(({ resyncs }) => ({ resyncs: resyncs + 1 }));
      void this.#askDepth();
    } else if (outcome === "changed") {
      this.#schedule();
    }
  }

  #onTrade(event: TradeEvent): void {
    this.#trades = prepend(this.#trades, fromTradeEvent(event));
    this.#schedule();
  }

  async #askDepth(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    for (let isAgain = true; isAgain; isAgain = this.#isFollowed && !this.#sync.isLive) {
      try {
        if (this.#sync.onSnapshot(await depth(this.#symbol)) === "changed") this.#status.book = "ready";
      } catch {
        if (this.#version === 0) this.#status.book = "failed";
      }
      this.#schedule();
      await pause(this.#sync.isLive ? 0 : RETRY_MS);
    }
    this.#isAsking = false;
  }

  async #askTrades(): Promise<void> {
    try {
      const rows = await recentTrades(this.#symbol);
      this.#trades = prepend(toTape(rows), ...[...this.#trades].reverse());
      this.#status.tape = "ready";
    } catch {
      if (this.#trades.length === 0) this.#status.tape = "failed";
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#publishing !== undefined || !this.#isFollowed || document.hidden) return;
    this.#publishing = setTimeout(() => {
      this.#publishing = undefined;
      this.#publish();
    }, PUBLISH_MS);
  }

  #publish(): void {
    if (!this.#isFollowed) return;
    const isWhole = this.#sync.isLive;
    if (isWhole) this.#version += 1;
    useMarketFeed.setState((before) => ({
      symbol: this.#symbol,
      tape: { status: this.#status.tape, trades: this.#trades },
      // Between a gap and the next snapshot the book is empty; the last whole one is shown meanwhile.
      book:
        isWhole || before.symbol !== this.#symbol || this.#status.book !== "ready"
          ? { status: this.#status.book, book: this.#sync.book, version: this.#version }
          : before.book,
    }));
  }
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));
