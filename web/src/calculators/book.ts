/**
 * A local order book that equals the engine's: a snapshot, then every difference in order. The usual procedure of the
 * dialect as a state machine without I/O: `onDiff` and `onSnapshot` say what the caller has to do.
 *
 * Differences are contiguous (`U` is the last `u` plus one). The first that is not is a gap: the book is dropped, and a
 * new snapshot is asked for while later differences wait. At most MAX_WAITING of them do.
 */

import type { DepthDiff, DepthSnapshot, Level } from "../wire/types";
import { compareE8, cutOff, e8, type E8, larger, roundUp } from "./money";

export const MAX_WAITING = 1_000;
export const MAX_LEVELS = 5_000;

export type BookSide = Map<E8, E8>;
export interface Book {
  bids: BookSide;
  asks: BookSide;
}

/** `live` and `changed`: the book is whole. `waiting`: until a snapshot comes. `resync`: ask for one now. */
export type DepthOutcome = "changed" | "unchanged" | "waiting" | "resync";

export class DepthSync {
  readonly book: Book = { bids: new Map(), asks: new Map() };
  isLive = false;
  /** Times that a gap was found since the start. */
  gaps = 0;
  #lastUpdateId = 0;
  #waiting: DepthDiff[] = [];

  get lastUpdateId(): number {
    return this.#lastUpdateId;
  }

  onDiff(diff: DepthDiff): DepthOutcome {
    if (!this.isLive) {
      if (this.#waiting.length >= MAX_WAITING) this.#waiting.shift();
      this.#waiting.push(diff);
      return "waiting";
    }
    if (diff.u <= this.#lastUpdateId) return "unchanged";
    if (diff.U > this.#lastUpdateId + 1) {
      this.gaps += 1;
      this.reset();
      this.#waiting.push(diff);
      return "resync";
    }
    this.#apply(diff);
    return "changed";
  }

  /** A snapshot that is older than what waits leaves a gap: a newer one is needed. */
  onSnapshot(snapshot: DepthSnapshot): DepthOutcome {
    const later = this.#waiting.filter((diff) => diff.u > snapshot.lastUpdateId);
    const first = later[0];
    if (first !== undefined && first.U > snapshot.lastUpdateId + 1) return "resync";
    this.#clear();
    setLevels(this.book.bids, snapshot.bids);
    setLevels(this.book.asks, snapshot.asks);
    this.#lastUpdateId = snapshot.lastUpdateId;
    this.isLive = true;
    this.#waiting = [];
    for (const diff of later) {
      if (this.onDiff(diff) === "resync") return "resync";
    }
    return "changed";
  }

  /** The stream broke or another is meant: nothing is known any more. */
  reset(): void {
    this.isLive = false;
    this.#waiting = [];
    this.#clear();
  }

  #clear(): void {
    this.book.bids.clear();
    this.book.asks.clear();
    this.#lastUpdateId = 0;
  }

  #apply(diff: DepthDiff): void {
    setLevels(this.book.bids, diff.b);
    setLevels(this.book.asks, diff.a);
    this.#lastUpdateId = diff.u;
  }
}

function setLevels(side: BookSide, levels: readonly Level[]): void {
  for (const [price, quantity] of levels) {
    const quantityE8 = e8(quantity);
    if (quantityE8 === 0n) side.delete(e8(price));
    else if (side.size < MAX_LEVELS || side.has(e8(price))) side.set(e8(price), quantityE8);
  }
}

export interface Row {
  price: E8;
  quantity: E8;
  /** All that can be had from the best price to this one. */
  total: E8;
}

export interface Ladder {
  /** Best first, both. */
  bids: Row[];
  asks: Row[];
  /** The larger of both sides' last totals, for bars. */
  deepest: E8;
}

/** The best rows of each side with prices grouped: bids down, asks up, so that grouping promises nobody too much. */
export function ladder(book: Book, group: E8, rows: number): Ladder {
  const bids = rowsOf(
    book.bids,
    (a, b) => compareE8(b, a),
    (price) => cutOff(price, group),
    rows,
  );
  const asks = rowsOf(book.asks, compareE8, (price) => roundUp(price, group), rows);
  return { bids, asks, deepest: larger(bids.at(-1)?.total ?? 0n, asks.at(-1)?.total ?? 0n) };
}

function rowsOf(
  side: BookSide,
  order: (a: E8, b: E8) => number,
  toGroup: (price: E8) => E8,
  limit: number,
): Row[] {
  const prices = [...side.keys()].sort(order);
  const rows: Row[] = [];
  let total = 0n;
  for (const exact of prices) {
    const price = toGroup(exact);
    const quantity = side.get(exact) ?? 0n;
    const last = rows.at(-1);
    if (last?.price === price) {
      last.quantity += quantity;
      last.total += quantity;
    } else {
      if (rows.length === limit) break;
      rows.push({ price, quantity, total: total + quantity });
    }
    total += quantity;
  }
  return rows;
}

export function bestOf(book: Book): { bid: E8 | null; ask: E8 | null } {
  let bid: E8 | null = null;
  let ask: E8 | null = null;
  for (const price of book.bids.keys()) if (bid === null || price > bid) bid = price;
  for (const price of book.asks.keys()) if (ask === null || price < ask) ask = price;
  return { bid, ask };
}

/** What a market order for this much would pay or bring on average and in all, as the book stands. */
export function sweep(side: BookSide, isBuy: boolean, quantity: E8): { quote: E8; filled: E8 } {
  let quote = 0n;
  let filled = 0n;
  const prices = [...side.keys()].sort(isBuy ? compareE8 : (a, b) => compareE8(b, a));
  for (const price of prices) {
    const here = side.get(price) ?? 0n;
    const taken = here < quantity - filled ? here : quantity - filled;
    quote += (taken * price) / 100_000_000n;
    filled += taken;
    if (filled >= quantity) break;
  }
  return { quote, filled };
}
