/** Columns that tables of orders share. */

import type { Market } from "../../calculators/markets";
import { compareE8, type E8, plain, show } from "../../calculators/money";
import { averagePrice, type Order, orderTotal } from "../../calculators/orders";
import { t } from "../../strings";
import type { Columns } from "../parts/data-table";
import { moment } from "../parts/time";

export type MarketsBySymbol = ReadonlyMap<string, Market>;

/** So many places as the market counts in; all that there are where it is not known. */
export function placed(value: E8, places: number | undefined): string {
  return places === undefined ? plain(value) : show(value, places);
}

/** For people and screen readers to tell orders apart: "Buy 0.5 BTCUSDT". */
export const nameOf = (order: Order): string =>
  `${t.trade.sideOf[order.side]} ${plain(order.quantity)} ${order.symbol}`;

export function orderColumns(markets: MarketsBySymbol): Columns<Order> {
  const price = (order: Order, value: E8): string => placed(value, markets.get(order.symbol)?.pricePlaces);
  const quantity = (order: Order, value: E8): string =>
    placed(value, markets.get(order.symbol)?.quantityPlaces);
  return [
    {
      id: "time",
      header: t.trade.time,
      accessorFn: (order) => order.createdAt,
      cell: ({ row }) => moment(row.original.createdAt),
    },
    { id: "symbol", header: t.trade.orders.market, accessorFn: (order) => order.symbol },
    { id: "type", header: t.trade.type, accessorFn: (order) => t.trade.typeOf[order.type] },
    {
      id: "side",
      header: t.trade.side,
      accessorFn: (order) => order.side,
      cell: ({ row }) => <span className={row.original.side}>{t.trade.sideOf[row.original.side]}</span>,
    },
    {
      id: "price",
      header: t.trade.price,
      meta: { isNumber: true },
      sortingFn: (a, b) => compareE8(a.original.price, b.original.price),
      accessorFn: (order) => order.price,
      cell: ({ row: { original } }) =>
        original.price === 0n ? t.trade.form.kindOf.MARKET : price(original, original.price),
    },
    {
      id: "stop",
      header: t.trade.orders.stop,
      meta: { isNumber: true },
      sortingFn: (a, b) => compareE8(a.original.stopPrice, b.original.stopPrice),
      accessorFn: (order) => order.stopPrice,
      cell: ({ row: { original } }) =>
        original.stopPrice === 0n ? "–" : price(original, original.stopPrice),
    },
    {
      id: "quantity",
      header: t.trade.quantity,
      meta: { isNumber: true },
      sortingFn: (a, b) => compareE8(a.original.quantity, b.original.quantity),
      accessorFn: (order) => order.quantity,
      cell: ({ row: { original } }) => quantity(original, original.quantity),
    },
    {
      id: "filled",
      header: t.trade.orders.filled,
      meta: { isNumber: true },
      sortingFn: (a, b) => compareE8(a.original.executed, b.original.executed),
      accessorFn: (order) => order.executed,
      cell: ({ row: { original } }) => quantity(original, original.executed),
    },
    {
      id: "average",
      header: t.trade.orders.average,
      meta: { isNumber: true },
      enableSorting: false,
      cell: ({ row: { original } }) => {
        const average = averagePrice(original);
        return average === null ? "–" : price(original, average);
      },
    },
    {
      id: "total",
      header: t.trade.total,
      meta: { isNumber: true },
      enableSorting: false,
      cell: ({ row: { original } }) => {
        const market = markets.get(original.symbol);
        return `${placed(orderTotal(original), market?.quotePlaces)} ${market?.quote ?? ""}`;
      },
    },
    {
      id: "status",
      header: t.trade.status,
      accessorFn: (order) => t.trade.statusOf[order.status],
    },
  ];
}
