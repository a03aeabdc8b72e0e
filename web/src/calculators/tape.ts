/** The newest public trades, newest first, each once. */

import type { PublicTrade, Side, TradeEvent } from "../wire/types";
import { e8, type E8 } from "./money";

export const TAPE_LENGTH = 60;

export interface TapeTrade {
  id: number;
  price: E8;
  quantity: E8;
  time: number;
  /** Of whoever came second. */
  side: Side;
}

export const fromTradeEvent = (event: TradeEvent): TapeTrade => ({
  id: event.t,
  price: e8(event.p),
  quantity: e8(event.q),
  time: event.T,
  side: event.m ? "SELL" : "BUY",
});

/** REST tells the oldest first. */
export const toTape = (rows: readonly PublicTrade[]): TapeTrade[] =>
  rows
    .map((row): TapeTrade => ({
      id: row.id,
      price: e8(row.price),
      quantity: e8(row.qty),
      time: row.time,
      side: row.isBuyerMaker ? "SELL" : "BUY",
    }))
    .reverse();

/** Trades have consecutive ids in a market, so what is not newer is known already. */
export function prepend(tape: readonly TapeTrade[], ...newer: readonly TapeTrade[]): readonly TapeTrade[] {
  const known = tape[0]?.id ?? -1;
  const added = newer.filter((trade) => trade.id > known).sort((a, b) => b.id - a.id);
  return added.length === 0 ? tape : [...added, ...tape].slice(0, TAPE_LENGTH);
}
