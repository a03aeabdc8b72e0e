/** What the account asks the exchange to do, and finding out what became of it when the answer was lost. */

import type { OrderRequest } from "../calculators/order-form";
import type { Order } from "../calculators/orders";
import { Refusal, Unreachable } from "../wire/http";
import * as rest from "../wire/rest";

/** `unknown`: the answer was lost and nobody could be asked; the open orders will tell. */
export type Outcome =
  { kind: "done" } | { kind: "refused"; error: Refusal } | { kind: "unreachable" } | { kind: "unknown" };

const UNKNOWN_OUTCOME = -1007;
const NO_SUCH_ORDER = -2013;
const LOOKUPS = 5;
const LOOKUP_PAUSE_MS = 1_500;

/** A name of our own, so that the order can be found whatever happens to the answer; the dialect allows 36 characters. */
export const newClientId = (): string => `web-${crypto.randomUUID().replaceAll("-", "")}`;

export async function place(request: OrderRequest, symbol: string, clientId: string): Promise<Outcome> {
  const outcome = await settle(rest.place(request.path, request.parameters));
  if (outcome.kind !== "unknown") return outcome;
  const find = (): Promise<unknown> =>
    request.path === "/api/v3/order" ? rest.findOrder(symbol, clientId) : rest.findOrderList(clientId);
  return lookUp(find);
}

async function lookUp(find: () => Promise<unknown>): Promise<Outcome> {
  for (let attempt = 0; attempt < LOOKUPS; attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, LOOKUP_PAUSE_MS));
    try {
      await find();
      return { kind: "done" };
    } catch (error) {
      if (error instanceof Refusal && error.code === NO_SUCH_ORDER) return { kind: "refused", error };
    }
  }
  return { kind: "unknown" };
}

export const cancel = (order: Order): Promise<Outcome> =>
  settle(
    order.listId >= 0 ? rest.cancelList(order.symbol, order.listId) : rest.cancel(order.symbol, order.id),
  );

export const cancelAll = (symbol: string): Promise<Outcome> => settle(rest.cancelAll(symbol));

/** Smaller at the same price keeps its place in the queue; anything else is a new order in its place. */
export function amend(order: Order, price: string, quantity: string, keepsPlace: boolean): Promise<Outcome> {
  if (keepsPlace) return settle(rest.amend(order.symbol, order.id, quantity));
  const isMaker = order.type === "LIMIT_MAKER";
  return settle(
    rest.replace({
      symbol: order.symbol,
      side: order.side,
      type: order.type,
      cancelOrderId: order.id,
      timeInForce: isMaker ? undefined : order.timeInForce,
      price,
      quantity,
      newClientOrderId: newClientId(),
    }),
  );
}

async function settle(asked: Promise<unknown>): Promise<Outcome> {
  try {
    await asked;
    return { kind: "done" };
  } catch (error) {
    if (error instanceof Unreachable) return navigator.onLine ? { kind: "unknown" } : { kind: "unreachable" };
    if (!(error instanceof Refusal)) throw error;
    return error.code === UNKNOWN_OUTCOME ? { kind: "unknown" } : { kind: "refused", error };
  }
}
