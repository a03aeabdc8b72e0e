/** The account's past in some markets. Asked anew whenever something of it changed. */

import { useQuery, type UseQueryResult } from "@tanstack/react-query";

import { type Fill, type Span, startOf, toFill } from "../calculators/history";
import { fromRow, type Order, sortNewest } from "../calculators/orders";
import { useSession } from "../state/session";
import { allOrders, ownTrades } from "../wire/rest";
import type { Parameters } from "../wire/rest";

/** Times are bounded to a day each by the dialect, so a span is asked for by its newest rows and cut here. */
async function ofMarkets<Row, T>(
  symbols: readonly string[],
  ask: (symbol: string, range: Parameters) => Promise<Row[]>,
  convert: (row: Row) => T,
): Promise<T[]> {
  const rows = await Promise.all(symbols.map((symbol) => ask(symbol, {})));
  return rows.flat().map(convert);
}

export function useOrderHistory(symbols: readonly string[], span: Span): UseQueryResult<Order[]> {
  const changes = useSession(({ owned }) => owned.changes);
  const accountId = useSession(({ owned }) => owned.accountId);
  return useQuery({
    queryKey: ["orders", accountId, symbols, span, changes],
    queryFn: async () => {
      const start = startOf(span, Date.now());
      const orders = await ofMarkets(symbols, allOrders, fromRow);
      return sortNewest(orders.filter((order) => order.createdAt >= start));
    },
    placeholderData: (before) => before,
  });
}

export function useFills(symbols: readonly string[], span: Span): UseQueryResult<Fill[]> {
  const changes = useSession(({ owned }) => owned.changes);
  const accountId = useSession(({ owned }) => owned.accountId);
  return useQuery({
    queryKey: ["fills", accountId, symbols, span, changes],
    queryFn: async () => {
      const start = startOf(span, Date.now());
      const fills = await ofMarkets(symbols, ownTrades, toFill);
      return fills.filter((fill) => fill.time >= start).sort((a, b) => b.time - a.time || b.id - a.id);
    },
    placeholderData: (before) => before,
  });
}
