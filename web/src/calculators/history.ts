/** Histories: which part of the past is meant, and how it is written into a file. */

import type { OwnTrade } from "../wire/types";
import { toCsv } from "./csv";
import { e8, type E8, plain } from "./money";
import { averagePrice, type Order } from "./orders";

export const SPANS = ["day", "week", "month", "all"] as const;
export type Span = (typeof SPANS)[number];

const DAY_MS = 24 * 3600 * 1000;
const LENGTH_MS: Record<Exclude<Span, "all">, number> = { day: DAY_MS, week: 7 * DAY_MS, month: 30 * DAY_MS };

export const startOf = (span: Span, now: number): number => (span === "all" ? 0 : now - LENGTH_MS[span]);

export interface Fill {
  id: number;
  orderId: number;
  symbol: string;
  side: "BUY" | "SELL";
  price: E8;
  quantity: E8;
  total: E8;
  fee: E8;
  feeAsset: string;
  isMaker: boolean;
  time: number;
}

export const toFill = (row: OwnTrade): Fill => ({
  id: row.id,
  orderId: row.orderId,
  symbol: row.symbol,
  side: row.isBuyer ? "BUY" : "SELL",
  price: e8(row.price),
  quantity: e8(row.qty),
  total: e8(row.quoteQty),
  fee: e8(row.commission),
  feeAsset: row.commissionAsset,
  isMaker: row.isMaker,
  time: row.time,
});

const iso = (milliseconds: number): string => new Date(milliseconds).toISOString();

/** Plain numbers and the exchange's own words: for programs, so never translated or grouped. */
export function ordersCsv(orders: readonly Order[]): string {
  const header = [
    "time",
    "orderId",
    "clientOrderId",
    "symbol",
    "side",
    "type",
    "status",
    "price",
    "stopPrice",
  ];
  return toCsv(
    [...header, "quantity", "executed", "executedQuote", "averagePrice"],
    orders.map((order) => [
      iso(order.createdAt),
      String(order.id),
      order.clientId,
      order.symbol,
      order.side,
      order.type,
      order.status,
      plain(order.price),
      plain(order.stopPrice),
      plain(order.quantity),
      plain(order.executed),
      plain(order.executedQuote),
      plain(averagePrice(order) ?? 0n),
    ]),
  );
}

export function fillsCsv(fills: readonly Fill[]): string {
  return toCsv(
    ["time", "tradeId", "orderId", "symbol", "side", "price", "quantity", "total", "fee", "feeAsset", "role"],
    fills.map((fill) => [
      iso(fill.time),
      String(fill.id),
      String(fill.orderId),
      fill.symbol,
      fill.side,
      plain(fill.price),
      plain(fill.quantity),
      plain(fill.total),
      plain(fill.fee),
      fill.feeAsset,
      fill.isMaker ? "maker" : "taker",
    ]),
  );
}
