/** Changing an open order: what is allowed, and whether it keeps its place in the queue. */

import type { Market } from "./markets";
import { isOnGrid, parseAmount, plain } from "./money";
import type { Problem } from "./order-form";
import type { Order } from "./orders";

/** Only making it smaller does. */
export function keepsItsPlace(order: Order, price: string, quantity: string): boolean {
  const newQuantity = parseAmount(quantity);
  return parseAmount(price) === order.price && newQuantity !== null && newQuantity < order.quantity;
}

export function checkAmendment(order: Order, price: string, quantity: string, market: Market): Problem[] {
  const found: Problem[] = [];
  const newPrice = parseAmount(price);
  const newQuantity = parseAmount(quantity);
  if (newPrice === null || newPrice === 0n) found.push({ field: "price", key: "notAnAmount" });
  else if (!isOnGrid(newPrice, market.tick))
    found.push({ field: "price", key: "offTick", bound: plain(market.tick) });
  if (newQuantity === null || newQuantity === 0n) found.push({ field: "quantity", key: "notAnAmount" });
  else if (!isOnGrid(newQuantity, market.step)) {
    found.push({ field: "quantity", key: "offStep", bound: plain(market.step) });
  } else if (newPrice === order.price && newQuantity <= order.executed) {
    found.push({ field: "quantity", key: "quantityTooSmall", bound: plain(order.executed + market.step) });
  }
  return found;
}
