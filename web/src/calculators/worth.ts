/** What balances are worth in one asset, at the last prices. */

import type { Market, Ticker } from "./markets";
import { compareE8, type E8, timesFloor } from "./money";
import type { Balances } from "./orders";

export interface BalanceLine {
  asset: string;
  free: E8;
  locked: E8;
  total: E8;
  /** Null where no market tells. */
  worth: E8 | null;
}

export function balanceLines(
  balances: Balances,
  tickers: Readonly<Record<string, Ticker>>,
  markets: readonly Market[],
  unit: string,
): BalanceLine[] {
  return Object.entries(balances)
    .map(([asset, { free, locked }]) => {
      const total = free + locked;
      const price = priceIn(asset, unit, tickers, markets);
      return { asset, free, locked, total, worth: price === null ? null : timesFloor(total, price) };
    })
    .filter((line) => line.total > 0n)
    .sort((a, b) => compareE8(b.worth ?? 0n, a.worth ?? 0n) || a.asset.localeCompare(b.asset));
}

function priceIn(
  asset: string,
  unit: string,
  tickers: Readonly<Record<string, Ticker>>,
  markets: readonly Market[],
): E8 | null {
  if (asset === unit) return 100_000_000n;
  const market = markets.find(({ base, quote }) => base === asset && quote === unit);
  const last = market === undefined ? undefined : tickers[market.symbol]?.last;
  return last === undefined || last === 0n ? null : last;
}

/** Everything together, as far as it can be told. */
export const totalWorth = (lines: readonly BalanceLine[]): E8 =>
  lines.reduce((sum, line) => sum + (line.worth ?? 0n), 0n);
