/** The order book of the market in front of us, as rows. */

import { useMemo } from "react";

import { bestOf, type Ladder, ladder } from "../calculators/book";
import type { E8 } from "../calculators/money";
import { type Loading, useMarketFeed } from "../state/market-feed";

export function useLadder(symbol: string, group: E8, rows: number): { status: Loading; ladder: Ladder } {
  const feed = useMarketFeed((state) => state.book);
  const isOurs = useMarketFeed((state) => state.symbol === symbol);
  const shown = useMemo(() => ladder(feed.book, group, rows), [feed, group, rows]);
  return { status: isOurs ? feed.status : "loading", ladder: shown };
}

export function useBest(symbol: string): { bid: E8 | null; ask: E8 | null } {
  const feed = useMarketFeed((state) => state.book);
  const isOurs = useMarketFeed((state) => state.symbol === symbol);
  return useMemo(() => (isOurs ? bestOf(feed.book) : { bid: null, ask: null }), [feed, isOurs]);
}
