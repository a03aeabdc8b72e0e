/** Markets with their filters, ready to calculate with. */

import type { DayTicker, ExchangeInfo, ExchangeSymbol, MiniTicker } from "../wire/types";
import { changeBasisPoints, e8, type E8, placesOf } from "./money";

export interface Market {
  symbol: string;
  base: string;
  quote: string;
  isOpen: boolean;
  tick: E8;
  priceMin: E8;
  priceMax: E8;
  step: E8;
  quantityMin: E8;
  quantityMax: E8;
  marketQuantityMax: E8;
  notionalMin: E8;
  notionalMax: E8;
  minToMarket: boolean;
  pricePlaces: number;
  quantityPlaces: number;
  quotePlaces: number;
}

/** 0 stands for "no bound", as in the exchange's own market file. */
export function toMarket(listing: ExchangeSymbol): Market {
  const market: Market = {
    symbol: listing.symbol,
    base: listing.baseAsset,
    quote: listing.quoteAsset,
    isOpen: listing.status === "TRADING",
    ...{
      tick: 1n,
      priceMin: 0n,
      priceMax: 0n,
      step: 1n,
      quantityMin: 0n,
      quantityMax: 0n,
      marketQuantityMax: 0n,
    },
    ...{
      notionalMin: 0n,
      notionalMax: 0n,
      minToMarket: false,
      pricePlaces: 8,
      quantityPlaces: 8,
      quotePlaces: 8,
    },
  };
  for (const filter of listing.filters) {
    switch (filter.filterType) {
      case "PRICE_FILTER":
        market.tick = e8(filter.tickSize);
        market.priceMin = e8(filter.minPrice);
        market.priceMax = e8(filter.maxPrice);
        break;
      case "LOT_SIZE":
        market.step = e8(filter.stepSize);
        market.quantityMin = e8(filter.minQty);
        market.quantityMax = e8(filter.maxQty);
        break;
      case "MARKET_LOT_SIZE":
        market.marketQuantityMax = e8(filter.maxQty);
        break;
      case "NOTIONAL":
        market.notionalMin = e8(filter.minNotional);
        market.notionalMax = e8(filter.maxNotional);
        market.minToMarket = filter.applyMinToMarket;
        break;
      default:
        break;
    }
  }
  market.pricePlaces = placesOf(market.tick);
  market.quantityPlaces = placesOf(market.step);
  market.quotePlaces = Math.min(8, Math.max(2, market.pricePlaces));
  return market;
}

export function toMarkets(info: ExchangeInfo): Market[] {
  return info.symbols.map(toMarket).sort((a, b) => a.symbol.localeCompare(b.symbol));
}

export interface Ticker {
  symbol: string;
  open: E8;
  high: E8;
  low: E8;
  last: E8;
  volume: E8;
  quoteVolume: E8;
  change: bigint;
}

export function fromDayTicker(row: DayTicker): Ticker {
  return ticker(
    row.symbol,
    row.openPrice,
    row.highPrice,
    row.lowPrice,
    row.lastPrice,
    row.volume,
    row.quoteVolume,
  );
}

export function fromMiniTicker(row: MiniTicker): Ticker {
  return ticker(row.s, row.o, row.h, row.l, row.c, row.v, row.q);
}

function ticker(
  symbol: string,
  ...[open, high, low, last, volume, quoteVolume]: [string, string, string, string, string, string]
): Ticker {
  return {
    symbol,
    open: e8(open),
    high: e8(high),
    low: e8(low),
    last: e8(last),
    volume: e8(volume),
    quoteVolume: e8(quoteVolume),
    change: changeBasisPoints(e8(open), e8(last)),
  };
}

/** Price groups a book can be shown in: the tick and four tenfolds of it. */
export const groupsOf = (market: Market): E8[] =>
  [1n, 10n, 100n, 1_000n, 10_000n].map((factor) => market.tick * factor);

/** Which markets a person may mean. */
export function search(markets: readonly Market[], text: string): Market[] {
  const wanted = text.toUpperCase().replace(/[^A-Z0-9]/g, "");
  return wanted === "" ? [...markets] : markets.filter((market) => market.symbol.includes(wanted));
}
