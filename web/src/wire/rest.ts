/** REST as the page asks it: public data, and what the signed-in account may ask with its access token. */

import { accessToken, refresh } from "./auth";
import { type Method, Refusal, type Send, send, toQuery } from "./http";
import type {
  AccountInfo,
  DayTicker,
  DepthSnapshot,
  ExchangeInfo,
  KlineRow,
  OrderRow,
  OwnTrade,
  PlacedOrder,
  PublicTrade,
} from "./types";

export type Parameters = Record<string, string | number | undefined>;

const open = <T>(path: string, parameters: Parameters = {}): Promise<T> =>
  send({ method: "GET", path: withQuery(path, parameters) });

function withQuery(path: string, parameters: Parameters): string {
  const query = toQuery(parameters);
  return query === "" ? path : `${path}?${query}`;
}

/** As the account, in the dialect's form. A token that just ran out is renewed once. */
async function owned<T>(method: Method, path: string, parameters: Parameters = {}): Promise<T> {
  const isQuery = method === "GET" || method === "DELETE";
  return authorized({
    method,
    path: isQuery ? withQuery(path, parameters) : path,
    headers: isQuery ? {} : { "Content-Type": "application/x-www-form-urlencoded" },
    ...(isQuery ? {} : { body: toQuery(parameters) }),
  });
}

/** As the account, in JSON, as the services around trading speak. */
export function asAccount<T>(method: Method, path: string, content?: object): Promise<T> {
  return authorized({
    method,
    path,
    headers: content === undefined ? {} : { "Content-Type": "application/json" },
    ...(content === undefined ? {} : { body: JSON.stringify(content) }),
    credentials: "include",
  });
}

/** The same for what comes as text. */
export const asAccountText = (path: string): Promise<string> =>
  authorized({ method: "GET", path, credentials: "include", isText: true });

async function authorized<T>(request: Send): Promise<T> {
  const attempt = (token: string | null): Promise<T> =>
    send<T>({
      ...request,
      headers: { ...request.headers, ...(token === null ? {} : { Authorization: `Bearer ${token}` }) },
    });
  try {
    return await attempt(await accessToken());
  } catch (error) {
    const isStale = error instanceof Refusal && error.status === 401;
    if (!isStale) throw error;
    const renewed = await refresh();
    if (renewed === null) throw error;
    return attempt(renewed);
  }
}

export const exchangeInfo = (): Promise<ExchangeInfo> =>
  open("/api/v3/exchangeInfo", { showPermissionSets: "false" });
export const dayTickers = (): Promise<DayTicker[]> => open("/api/v3/ticker/24hr", { type: "MINI" });
export const depth = (symbol: string): Promise<DepthSnapshot> =>
  open("/api/v3/depth", { symbol, limit: 1000 });
export const recentTrades = (symbol: string): Promise<PublicTrade[]> =>
  open("/api/v3/trades", { symbol, limit: 60 });
export const serverTime = (): Promise<{ serverTime: number }> => open("/api/v3/time");

export const klines = (symbol: string, interval: string, endTime?: number): Promise<KlineRow[]> =>
  open("/api/v3/klines", { symbol, interval, limit: 500, endTime });

export const account = (): Promise<AccountInfo> => owned("GET", "/api/v3/account");
export const openOrders = (): Promise<OrderRow[]> => owned("GET", "/api/v3/openOrders");
export const allOrders = (symbol: string, range: Parameters): Promise<OrderRow[]> =>
  owned("GET", "/api/v3/allOrders", { symbol, limit: 500, ...range });
export const ownTrades = (symbol: string, range: Parameters): Promise<OwnTrade[]> =>
  owned("GET", "/api/v3/myTrades", { symbol, limit: 500, ...range });

export const place = (path: string, parameters: Parameters): Promise<PlacedOrder> =>
  owned("POST", path, parameters);
export const findOrder = (symbol: string, origClientOrderId: string): Promise<OrderRow> =>
  owned("GET", "/api/v3/order", { symbol, origClientOrderId });
export const findOrderList = (origClientOrderId: string): Promise<object> =>
  owned("GET", "/api/v3/orderList", { origClientOrderId });
export const cancel = (symbol: string, orderId: number): Promise<unknown> =>
  owned("DELETE", "/api/v3/order", { symbol, orderId });
export const cancelList = (symbol: string, orderListId: number): Promise<unknown> =>
  owned("DELETE", "/api/v3/orderList", { symbol, orderListId });
export const cancelAll = (symbol: string): Promise<unknown> =>
  owned("DELETE", "/api/v3/openOrders", { symbol });
export const amend = (symbol: string, orderId: number, newQty: string): Promise<unknown> =>
  owned("PUT", "/api/v3/order/amend/keepPriority", { symbol, orderId, newQty });
export const replace = (parameters: Parameters): Promise<unknown> =>
  owned("POST", "/api/v3/order/cancelReplace", { cancelReplaceMode: "STOP_ON_FAILURE", ...parameters });

export const demoFunds = (): Promise<{ given: Record<string, string> }> =>
  asAccount("POST", "/local/v1/demo-funds");
