/** An account's orders and balances, folded from what REST says and what user events tell. */

import type {
  AccountPosition,
  BalanceRow,
  ExecutionReport,
  OrderRow,
  OrderStatus,
  OrderType,
  Side,
} from "../wire/types";
import { divideFloor, e8, type E8, timesFloor } from "./money";

export interface Order {
  id: number;
  listId: number;
  clientId: string;
  symbol: string;
  side: Side;
  type: OrderType;
  timeInForce: string;
  status: OrderStatus;
  price: E8;
  stopPrice: E8;
  quantity: E8;
  executed: E8;
  executedQuote: E8;
  createdAt: number;
  updatedAt: number;
}

export interface Balance {
  free: E8;
  locked: E8;
}

export type Balances = Readonly<Record<string, Balance>>;

const OPEN: readonly OrderStatus[] = ["NEW", "PENDING_NEW", "PARTIALLY_FILLED"];
export const isOpen = (order: Order): boolean => OPEN.includes(order.status);

export function fromRow(row: OrderRow): Order {
  return {
    id: row.orderId,
    listId: row.orderListId,
    clientId: row.clientOrderId,
    symbol: row.symbol,
    side: row.side,
    type: row.type,
    timeInForce: row.timeInForce,
    status: row.status,
    price: e8(row.price),
    stopPrice: e8(row.stopPrice),
    quantity: e8(row.origQty),
    executed: e8(row.executedQty),
    executedQuote: e8(row.cummulativeQuoteQty),
    createdAt: row.time,
    updatedAt: row.updateTime,
  };
}

export function fromReport(report: ExecutionReport): Order {
  return {
    id: report.i,
    listId: report.g,
    // A cancel's report names the request in `c` and the order in `C`.
    clientId: report.x === "CANCELED" && report.C !== "" ? report.C : report.c,
    symbol: report.s,
    side: report.S,
    type: report.o,
    timeInForce: report.f,
    status: report.X,
    price: e8(report.p),
    stopPrice: e8(report.P),
    quantity: e8(report.q),
    executed: e8(report.z),
    executedQuote: e8(report.Z),
    createdAt: report.O,
    updatedAt: report.T,
  };
}

/** The open orders after this report, newest first. */
export function withReport(orders: readonly Order[], report: ExecutionReport): Order[] {
  if (report.i < 0) return [...orders];
  const order = fromReport(report);
  const others = orders.filter((other) => other.id !== order.id);
  return isOpen(order) ? sortNewest([order, ...others]) : others;
}

export const sortNewest = (orders: Order[]): Order[] =>
  orders.sort((a, b) => b.createdAt - a.createdAt || b.id - a.id);

export function toBalances(rows: readonly BalanceRow[]): Balances {
  return Object.fromEntries(rows.map((row) => [row.asset, { free: e8(row.free), locked: e8(row.locked) }]));
}

export function withPosition(balances: Balances, position: AccountPosition): Balances {
  const changed = position.B.map((row) => [row.a, { free: e8(row.f), locked: e8(row.l) }] as const);
  return { ...balances, ...Object.fromEntries(changed) };
}

export const NOTHING: Balance = { free: 0n, locked: 0n };

/** What the order paid on average; null before its first fill. */
export function averagePrice(order: Order): E8 | null {
  return order.executed === 0n ? null : divideFloor(order.executedQuote, order.executed);
}

/** What it is worth in the quote asset at its own price. */
export const orderTotal = (order: Order): E8 =>
  order.price === 0n ? order.executedQuote : timesFloor(order.price, order.quantity);
