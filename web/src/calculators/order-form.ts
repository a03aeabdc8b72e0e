/**
 * The order form: a reducer over what was typed, a summary of what it amounts to, and what is wrong with it, found
 * before anything is sent. The exchange checks again; these are its filters in the words of a form.
 */

import type { OrderType, Side, TimeInForce } from "../wire/types";
import type { Market } from "./markets";
import {
  basisPointsOf,
  cutOff,
  divideFloor,
  type E8,
  isOnGrid,
  ONE,
  parseAmount,
  plain,
  timesCeil,
  timesFloor,
} from "./money";

export type Kind = "LIMIT" | "MARKET" | "STOP_LIMIT" | "OCO";
export type Field = "price" | "stopPrice" | "stopLimitPrice" | "quantity" | "total";

export interface Form {
  side: Side;
  kind: Kind;
  price: string;
  stopPrice: string;
  /** OCO only: the price of the order that the stop sets off. */
  stopLimitPrice: string;
  quantity: string;
  total: string;
  /** Which of quantity and total was typed; the other follows from it and the price. */
  typed: "quantity" | "total";
  timeInForce: TimeInForce;
  isPostOnly: boolean;
}

export const EMPTY: Form = {
  side: "BUY",
  kind: "LIMIT",
  ...{ price: "", stopPrice: "", stopLimitPrice: "", quantity: "", total: "" },
  typed: "quantity",
  timeInForce: "GTC",
  isPostOnly: false,
};

/** What the form is filled in against. Rates are fractions: 0.001 is 100,000. */
export interface Surroundings {
  market: Market;
  /** What a market order meets, and what stops are compared with; null while nothing is known. */
  bestBid: E8 | null;
  bestAsk: E8 | null;
  last: E8 | null;
  freeBase: E8;
  freeQuote: E8;
  makerRate: E8;
  takerRate: E8;
}

export type Action =
  | { type: "side"; side: Side }
  | { type: "kind"; kind: Kind }
  | { type: "field"; field: Field; text: string }
  | { type: "timeInForce"; timeInForce: TimeInForce }
  | { type: "postOnly"; isPostOnly: boolean }
  | { type: "percent"; percent: number }
  | { type: "market" }
  | { type: "sent" };

/** Pure: what follows from an action depends on nothing but the form and its surroundings. */
export function reduce(form: Form, action: Action, around: Surroundings): Form {
  switch (action.type) {
    case "side":
      return follow({ ...form, side: action.side }, around);
    case "kind":
      return follow({ ...form, kind: action.kind }, around);
    case "field": {
      const typed = action.field === "quantity" || action.field === "total" ? action.field : form.typed;
      return follow({ ...form, [action.field]: action.text, typed }, around);
    }
    case "timeInForce":
      return { ...form, timeInForce: action.timeInForce };
    case "postOnly":
      return { ...form, isPostOnly: action.isPostOnly };
    case "percent":
      return ofAvailable(form, action.percent, around);
    case "market":
      return { ...EMPTY, side: form.side, kind: form.kind };
    case "sent":
      return { ...form, quantity: "", total: "", typed: "quantity" };
  }
}

/** The price that quantity and total are converted at: the order's own, or what a market order would meet first. */
export function effectivePrice(form: Form, around: Surroundings): E8 | null {
  if (form.kind !== "MARKET") {
    const price = parseAmount(form.price);
    return price === null || price === 0n ? null : price;
  }
  return (form.side === "BUY" ? around.bestAsk : around.bestBid) ?? around.last;
}

function follow(form: Form, around: Surroundings): Form {
  const price = effectivePrice(form, around);
  const typed = parseAmount(form[form.typed]);
  if (price === null || typed === null)
    return { ...form, [form.typed === "quantity" ? "total" : "quantity"]: "" };
  if (form.typed === "quantity") return { ...form, total: plain(timesFloor(price, typed)) };
  return { ...form, quantity: plain(cutOff(divideFloor(typed, price), around.market.step)) };
}

function ofAvailable(form: Form, percent: number, around: Surroundings): Form {
  const { market } = around;
  if (form.side === "SELL") {
    const quantity = cutOff(basisPointsOf(around.freeBase, percent * 100), market.step);
    return follow({ ...form, quantity: plain(quantity), typed: "quantity" }, around);
  }
  const spend = basisPointsOf(around.freeQuote, percent * 100);
  if (form.kind === "MARKET") {
    const total = cutOff(spend, 10n ** BigInt(8 - market.quotePlaces));
    return follow({ ...form, total: plain(total), typed: "total" }, around);
  }
  const price = effectivePrice(form, around);
  if (price === null) return form;
  return follow(
    { ...form, quantity: plain(cutOff(divideFloor(spend, price), market.step)), typed: "quantity" },
    around,
  );
}

export interface Summary {
  quantity: E8 | null;
  total: E8 | null;
  /** About what the exchange will take, of what is received. */
  fee: E8 | null;
  feeAsset: string;
  available: E8;
  availableAsset: string;
  /** How much of what is available the order takes, for the slider. */
  used: E8;
}

export function summarize(form: Form, around: Surroundings): Summary {
  const { market } = around;
  const isBuy = form.side === "BUY";
  const quantity = parseAmount(form.quantity);
  const total = parseAmount(form.total);
  const received = isBuy ? quantity : total;
  const rate = form.isPostOnly && form.kind === "LIMIT" ? around.makerRate : around.takerRate;
  return {
    quantity,
    total,
    fee: received === null ? null : timesCeil(received, rate),
    feeAsset: isBuy ? market.base : market.quote,
    available: isBuy ? around.freeQuote : around.freeBase,
    availableAsset: isBuy ? market.quote : market.base,
    used: (isBuy ? total : quantity) ?? 0n,
  };
}

export type ProblemKey =
  | "marketHalted"
  | "required"
  | "notAnAmount"
  | "priceTooLow"
  | "priceTooHigh"
  | "offTick"
  | "quantityTooSmall"
  | "quantityTooLarge"
  | "offStep"
  | "notionalTooSmall"
  | "notionalTooLarge"
  | "notEnough"
  | "nobodyToTradeWith"
  | "wouldMatch"
  | "stopAtMarket"
  | "ocoPricesCross";

export interface Problem {
  field: Field | "form";
  key: ProblemKey;
  /** The bound in question, ready to be shown. */
  bound?: string;
}

const problem = (field: Problem["field"], key: ProblemKey, bound?: string): Problem =>
  bound === undefined ? { field, key } : { field, key, bound };

/** What keeps the order from being accepted, at most one problem a field. */
export function check(form: Form, around: Surroundings): Problem[] {
  const found: Problem[] = [];
  const add = (candidate: Problem | null): void => {
    if (candidate !== null && !found.some((other) => other.field === candidate.field)) found.push(candidate);
  };
  if (!around.market.isOpen) add(problem("form", "marketHalted"));
  if (form.kind !== "MARKET") add(checkPrice("price", form.price, around.market));
  if (form.kind === "STOP_LIMIT" || form.kind === "OCO") {
    add(checkPrice("stopPrice", form.stopPrice, around.market));
    add(checkStop(form, around));
  }
  if (form.kind === "OCO") {
    add(checkPrice("stopLimitPrice", form.stopLimitPrice, around.market));
    add(checkOco(form, around));
  }
  add(checkAmount(form, around));
  add(checkNotional(form, around));
  add(checkFunds(form, around));
  if (form.kind === "LIMIT" && form.isPostOnly) add(checkPostOnly(form, around));
  return found;
}

function checkPrice(field: Field, text: string, market: Market): Problem | null {
  if (text.trim() === "") return problem(field, "required");
  const price = parseAmount(text);
  if (price === null || price === 0n) return problem(field, "notAnAmount");
  if (price < market.priceMin) return problem(field, "priceTooLow", plain(market.priceMin));
  if (market.priceMax > 0n && price > market.priceMax)
    return problem(field, "priceTooHigh", plain(market.priceMax));
  if (!isOnGrid(price, market.tick)) return problem(field, "offTick", plain(market.tick));
  return null;
}

/** A market order may be given by its total alone; then the exchange finds the quantity. */
const isByTotal = (form: Form): boolean => form.kind === "MARKET" && form.typed === "total";

function checkAmount(form: Form, around: Surroundings): Problem | null {
  const { market } = around;
  const field = isByTotal(form) ? "total" : "quantity";
  const text = form[field];
  if (form[form.typed].trim() === "") return problem(form.typed, "required");
  const amount = parseAmount(text);
  if (amount === null || parseAmount(form[form.typed]) === null) return problem(form.typed, "notAnAmount");
  if (form.kind === "MARKET" && effectivePrice(form, around) === null)
    return problem("form", "nobodyToTradeWith");
  if (isByTotal(form)) return amount === 0n ? problem("total", "notAnAmount") : null;
  if (amount === 0n || amount < market.quantityMin)
    return problem("quantity", "quantityTooSmall", plain(market.quantityMin));
  const isMarket = form.kind === "MARKET" && market.marketQuantityMax > 0n;
  const maximum = isMarket ? market.marketQuantityMax : market.quantityMax;
  if (maximum > 0n && amount > maximum) return problem("quantity", "quantityTooLarge", plain(maximum));
  if (!isOnGrid(amount, market.step)) return problem("quantity", "offStep", plain(market.step));
  return null;
}

function checkNotional(form: Form, around: Surroundings): Problem | null {
  const { market } = around;
  if (form.kind === "MARKET" && !market.minToMarket) return null;
  const price = lowestPrice(form, around);
  const quantity = parseAmount(form.quantity);
  const total = isByTotal(form)
    ? parseAmount(form.total)
    : price && quantity
      ? timesFloor(price, quantity)
      : null;
  if (total === null) return null;
  const field = form.typed;
  if (total < market.notionalMin)
    return problem(field, "notionalTooSmall", `${plain(market.notionalMin)} ${market.quote}`);
  if (market.notionalMax > 0n && total > market.notionalMax) {
    return problem(field, "notionalTooLarge", `${plain(market.notionalMax)} ${market.quote}`);
  }
  return null;
}

function lowestPrice(form: Form, around: Surroundings): E8 | null {
  const price = effectivePrice(form, around);
  const stopLimit = form.kind === "OCO" ? parseAmount(form.stopLimitPrice) : null;
  return price !== null && stopLimit !== null && stopLimit > 0n && stopLimit < price ? stopLimit : price;
}

function checkFunds(form: Form, around: Surroundings): Problem | null {
  const quantity = parseAmount(form.quantity);
  if (form.side === "SELL") {
    return quantity !== null && quantity > around.freeBase
      ? problem(form.typed, "notEnough", `${plain(around.freeBase)} ${around.market.base}`)
      : null;
  }
  const total = isByTotal(form) ? parseAmount(form.total) : reserve(form, around, quantity);
  return total !== null && total > around.freeQuote
    ? problem(form.typed, "notEnough", `${plain(around.freeQuote)} ${around.market.quote}`)
    : null;
}

/** What a buy keeps locked: of an OCO the dearer of its two orders. */
function reserve(form: Form, around: Surroundings, quantity: E8 | null): E8 | null {
  const price = effectivePrice(form, around);
  if (price === null || quantity === null) return null;
  const stopLimit = form.kind === "OCO" ? (parseAmount(form.stopLimitPrice) ?? 0n) : 0n;
  return timesCeil(price > stopLimit ? price : stopLimit, quantity);
}

function checkPostOnly(form: Form, around: Surroundings): Problem | null {
  const price = parseAmount(form.price);
  if (price === null) return null;
  const crosses =
    form.side === "BUY"
      ? around.bestAsk !== null && price >= around.bestAsk
      : around.bestBid !== null && price <= around.bestBid;
  return crosses ? problem("price", "wouldMatch") : null;
}

function checkStop(form: Form, around: Surroundings): Problem | null {
  const stop = parseAmount(form.stopPrice);
  return stop !== null && around.last !== null && stop === around.last
    ? problem("stopPrice", "stopAtMarket")
    : null;
}

/** Selling: limit above the market, stop below it. Buying: the other way round. */
function checkOco(form: Form, around: Surroundings): Problem | null {
  const limit = parseAmount(form.price);
  const stop = parseAmount(form.stopPrice);
  if (limit === null || stop === null || around.last === null) return null;
  const isRight =
    form.side === "SELL"
      ? limit > around.last && stop < around.last
      : limit < around.last && stop > around.last;
  return isRight ? null : problem("stopPrice", "ocoPricesCross");
}

/** A stop on the far side of the market limits a loss; on the near side it takes a profit. */
export function stopType(form: Form, last: E8 | null): OrderType {
  const stop = parseAmount(form.stopPrice) ?? 0n;
  const isLoss = last === null || (form.side === "BUY" ? stop >= last : stop <= last);
  return isLoss ? "STOP_LOSS_LIMIT" : "TAKE_PROFIT_LIMIT";
}

export interface OrderRequest {
  path: "/api/v3/order" | "/api/v3/orderList/oco";
  parameters: Record<string, string>;
}

/** The request for a form without problems. `clientId` makes its outcome findable whatever happens to the answer. */
export function toRequest(form: Form, around: Surroundings, clientId: string): OrderRequest {
  const base = { symbol: around.market.symbol, side: form.side };
  const quantity = canonical(form.quantity);
  const price = canonical(form.price);
  const stopPrice = canonical(form.stopPrice);
  if (form.kind === "OCO")
    return { path: "/api/v3/orderList/oco", parameters: { ...base, ...oco(form, clientId) } };
  const order = (parameters: Record<string, string>): OrderRequest => ({
    path: "/api/v3/order",
    parameters: { ...base, newClientOrderId: clientId, ...parameters },
  });
  if (form.kind === "MARKET") {
    return order({
      type: "MARKET",
      ...(isByTotal(form) ? { quoteOrderQty: canonical(form.total) } : { quantity }),
    });
  }
  if (form.kind === "STOP_LIMIT") {
    return order({
      type: stopType(form, around.last),
      timeInForce: form.timeInForce,
      price,
      stopPrice,
      quantity,
    });
  }
  return order(
    form.isPostOnly
      ? { type: "LIMIT_MAKER", price, quantity }
      : { type: "LIMIT", timeInForce: form.timeInForce, price, quantity },
  );
}

function oco(form: Form, clientId: string): Record<string, string> {
  const limit = { Type: "LIMIT_MAKER", Price: canonical(form.price) };
  const stop = {
    Type: "STOP_LOSS_LIMIT",
    StopPrice: canonical(form.stopPrice),
    Price: canonical(form.stopLimitPrice),
    TimeInForce: "GTC",
  };
  const [above, below] = form.side === "SELL" ? [limit, stop] : [stop, limit];
  const named = (prefix: string, order: Record<string, string>): [string, string][] =>
    Object.entries(order).map(([name, value]) => [prefix + name, value]);
  return {
    listClientOrderId: clientId,
    quantity: canonical(form.quantity),
    ...Object.fromEntries([...named("above", above), ...named("below", below)]),
  };
}

const canonical = (text: string): string => plain(parseAmount(text) ?? 0n);

/** How a rate is read: "0.1 %" of 100,000. */
export const showRate = (rate: E8): string => `${plain((rate * 100n * ONE) / ONE)}%`;
