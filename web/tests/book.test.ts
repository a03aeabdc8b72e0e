import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { bestOf, type Book, DepthSync, ladder, MAX_WAITING, sweep } from "../src/calculators/book";
import { e8, plain } from "../src/calculators/money";
import type { DepthDiff, DepthSnapshot, Level } from "../src/wire/types";

const diff = (first: number, last: number, b: Level[] = [], a: Level[] = []): DepthDiff => ({
  e: "depthUpdate",
  E: 0,
  s: "BTCUSDT",
  U: first,
  u: last,
  b,
  a,
});
const snapshot = (lastUpdateId: number, bids: Level[] = [], asks: Level[] = []): DepthSnapshot => ({
  lastUpdateId,
  bids,
  asks,
});
const levels = (side: Map<bigint, bigint>): string[] =>
  [...side].map(([p, q]) => `${plain(p)}x${plain(q)}`).sort();

describe("keeping a book", () => {
  it("applies what came before the snapshot and is newer", () => {
    const sync = new DepthSync();
    expect(sync.onDiff(diff(5, 6, [["1", "9"]]))).toBe("waiting");
    expect(sync.onDiff(diff(7, 8, [["2", "3"]]))).toBe("waiting");
    expect(sync.onSnapshot(snapshot(6, [["1", "4"]]))).toBe("changed");
    expect(levels(sync.book.bids)).toEqual(["1x4", "2x3"]);
    expect(sync.lastUpdateId).toBe(8);
  });

  it("asks for a newer snapshot when the first is too old", () => {
    const sync = new DepthSync();
    sync.onDiff(diff(10, 11, [["1", "1"]]));
    expect(sync.onSnapshot(snapshot(8))).toBe("resync");
    expect(sync.isLive).toBe(false);
    expect(sync.onSnapshot(snapshot(9, [["5", "1"]]))).toBe("changed");
    expect(levels(sync.book.bids)).toEqual(["1x1", "5x1"]);
  });

  it("finds a gap, drops the book and mends it", () => {
    const sync = new DepthSync();
    sync.onSnapshot(snapshot(1, [["1", "1"]]));
    expect(sync.onDiff(diff(2, 2, [["2", "1"]]))).toBe("changed");
    expect(sync.onDiff(diff(4, 4, [["4", "1"]]))).toBe("resync");
    expect(sync.gaps).toBe(1);
    expect(sync.onDiff(diff(5, 5, [["5", "1"]]))).toBe("waiting");
    expect(sync.onSnapshot(snapshot(4, [["4", "2"]]))).toBe("changed");
    expect(levels(sync.book.bids)).toEqual(["4x2", "5x1"]);
  });

  it("ignores what it has and removes what is gone", () => {
    const sync = new DepthSync();
    sync.onSnapshot(snapshot(3, [["1", "1"]], [["2", "1"]]));
    expect(sync.onDiff(diff(2, 3, [["1", "7"]]))).toBe("unchanged");
    expect(sync.onDiff(diff(4, 4, [["1", "0"]], [["2", "0.00000000"]]))).toBe("changed");
    expect(sync.book.bids.size + sync.book.asks.size).toBe(0);
  });

  it("keeps a bounded number waiting", () => {
    const sync = new DepthSync();
    for (let id = 1; id <= MAX_WAITING + 50; id += 1) sync.onDiff(diff(id, id));
    expect(sync.onSnapshot(snapshot(0))).toBe("resync");
    expect(sync.onSnapshot(snapshot(60))).toBe("changed");
  });

  it("equals the venue's book wherever the snapshot falls and whichever message is lost", () => {
    const price = fc.integer({ min: 1, max: 12 });
    const change = fc.record({ price, quantity: fc.integer({ min: 0, max: 9 }), isBid: fc.boolean() });
    const history = fc.array(change, { minLength: 3, maxLength: 40 });
    fc.assert(
      fc.property(history, fc.nat(), fc.nat(), (changes, at, losing) => {
        const venue: Book = { bids: new Map(), asks: new Map() };
        const states: DepthSnapshot[] = [snapshot(0)];
        const diffs = changes.map((one, index) => {
          const side = one.isBid ? venue.bids : venue.asks;
          if (one.quantity === 0) side.delete(BigInt(one.price));
          else side.set(BigInt(one.price), BigInt(one.quantity));
          const rows = (map: Map<bigint, bigint>): Level[] =>
            [...map].map(([p, q]) => [String(p), String(q)]);
          states.push(snapshot(index + 1, rows(venue.bids), rows(venue.asks)));
          const level: Level[] = [[String(one.price), String(one.quantity)]];
          return diff(index + 1, index + 1, one.isBid ? level : [], one.isBid ? [] : level);
        });
        const lost = losing % diffs.length;
        const sync = new DepthSync();
        let needed: number | null = at % diffs.length;
        diffs.forEach((message, index) => {
          if (index === lost) return;
          if (sync.onDiff(message) === "resync") needed = index;
          if (needed === index) {
            // The answer is from now or a little later, never from before the message that showed the gap.
            const answer = states[index + 1];
            if (answer !== undefined && sync.onSnapshot(answer) === "changed") needed = null;
          }
        });
        if (!sync.isLive || sync.lastUpdateId !== diffs.length) return;
        const whole = (side: Map<bigint, bigint>): string[] => [...side].map(([p, q]) => `${p}x${q}`).sort();
        expect(levels(sync.book.bids)).toEqual(whole(venue.bids));
        expect(levels(sync.book.asks)).toEqual(whole(venue.asks));
      }),
    );
  });
});

describe("showing a book", () => {
  const sync = new DepthSync();
  sync.onSnapshot(
    snapshot(
      1,
      [
        ["99.95", "1"],
        ["99.91", "2"],
        ["99.2", "4"],
      ],
      [
        ["100.01", "3"],
        ["100.09", "1"],
        ["101", "5"],
      ],
    ),
  );

  it("groups bids down and asks up, with running totals", () => {
    const shown = ladder(sync.book, e8("0.1"), 10);
    expect(shown.bids.map((row) => [plain(row.price), plain(row.quantity), plain(row.total)])).toEqual([
      ["99.9", "3", "3"],
      ["99.2", "4", "7"],
    ]);
    expect(shown.asks.map((row) => [plain(row.price), plain(row.quantity), plain(row.total)])).toEqual([
      ["100.1", "4", "4"],
      ["101", "5", "9"],
    ]);
    expect(plain(shown.deepest)).toBe("9");
  });

  it("ends with a whole row", () => {
    expect(ladder(sync.book, e8("0.1"), 1).bids.map((row) => plain(row.total))).toEqual(["3"]);
  });

  it("knows the best and what a sweep costs", () => {
    const { bid, ask } = bestOf(sync.book);
    expect([bid, ask]).toEqual([e8("99.95"), e8("100.01")]);
    expect(sweep(sync.book.asks, true, e8("4"))).toEqual({ quote: e8("400.12"), filled: e8("4") });
    expect(sweep(sync.book.bids, false, e8("99"))).toEqual({ quote: e8("696.57"), filled: e8("7") });
  });
});
