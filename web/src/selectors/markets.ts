/** Markets, looked at: the list, one of them, and what is known of it now. */

import { useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useMemo } from "react";

import { type Market, type Ticker, toMarkets } from "../calculators/markets";
import { useMarketFeed } from "../state/market-feed";
import { exchangeInfo } from "../wire/rest";

/** A halt is no event of the streams, so the list is asked for anew now and then. */
const REFRESH_MS = 15_000;

export function useMarkets(): UseQueryResult<Market[]> {
  return useQuery({
    queryKey: ["markets"],
    queryFn: async () => toMarkets(await exchangeInfo()),
    refetchInterval: REFRESH_MS,
    staleTime: REFRESH_MS,
  });
}

export function useMarket(symbol: string): Market | undefined {
  const { data } = useMarkets();
  return useMemo(() => data?.find((market) => market.symbol === symbol), [data, symbol]);
}

export const useTicker = (symbol: string): Ticker | undefined =>
  useMarketFeed(({ tickers }) => tickers[symbol]);

export function useMarketsBySymbol(): ReadonlyMap<string, Market> {
  const { data } = useMarkets();
  return useMemo(() => new Map((data ?? []).map((market) => [market.symbol, market])), [data]);
}
