import { useMemo, useState } from "react";

import { type Fill, fillsCsv, type Span } from "../../calculators/history";
import type { Market } from "../../calculators/markets";
import { compareE8, plain } from "../../calculators/money";
import { useFills } from "../../selectors/history";
import { useMarketsBySymbol } from "../../selectors/markets";
import { t } from "../../strings";
import { type Columns, DataTable } from "../parts/data-table";
import { saveFile } from "../parts/save-file";
import { Failed, Nothing, Waiting } from "../parts/states";
import { moment } from "../parts/time";
import { type SideFilter, SideSelect, SpanSelect } from "./history-filters";
import { type MarketsBySymbol, placed } from "./order-columns";

interface Props {
  market: Market;
  onlyMarket: boolean;
}

export function TradeHistory({ market, onlyMarket }: Props) {
  const [span, setSpan] = useState<Span>("week");
  const [side, setSide] = useState<SideFilter>("ALL");
  const markets = useMarketsBySymbol();
  const symbols = useMemo(
    () => (onlyMarket ? [market.symbol] : [...markets.keys()]),
    [onlyMarket, market.symbol, markets],
  );
  const { data, isError, refetch } = useFills(symbols, span);
  const columns = useMemo(() => fillColumns(markets), [markets]);
  const shown = useMemo(
    () => (data ?? []).filter((fill) => side === "ALL" || fill.side === side),
    [data, side],
  );
  return (
    <>
      <div className="filters">
        <SpanSelect span={span} onSpan={setSpan} />
        <SideSelect side={side} onSide={setSide} />
        <button
          type="button"
          className="text-button"
          disabled={shown.length === 0}
          onClick={() => saveFile("trades.csv", fillsCsv(shown), "text/csv")}
        >
          {t.trade.orders.csv}
        </button>
      </div>
      {data === undefined && !isError && <Waiting />}
      {data === undefined && isError && (
        <Failed text={t.shell.links.offline} onRetry={() => void refetch()} />
      )}
      {data !== undefined && shown.length === 0 && <Nothing>{t.trade.orders.noTrades}</Nothing>}
      {shown.length > 0 && (
        <DataTable
          label={t.trade.orders.trades}
          rows={shown}
          columns={columns}
          rowId={(fill) => `${fill.symbol}:${fill.id}:${fill.side}`}
        />
      )}
    </>
  );
}

function fillColumns(markets: MarketsBySymbol): Columns<Fill> {
  return [
    {
      id: "time",
      header: t.trade.time,
      accessorFn: (fill) => fill.time,
      cell: ({ row }) => moment(row.original.time),
    },
    { id: "symbol", header: t.trade.orders.market, accessorFn: (fill) => fill.symbol },
    {
      id: "side",
      header: t.trade.side,
      accessorFn: (fill) => fill.side,
      cell: ({ row }) => <span className={row.original.side}>{t.trade.sideOf[row.original.side]}</span>,
    },
    {
      id: "price",
      header: t.trade.price,
      meta: { isNumber: true },
      sortingFn: (a, b) => compareE8(a.original.price, b.original.price),
      accessorFn: (fill) => fill.price,
      cell: ({ row: { original } }) => placed(original.price, markets.get(original.symbol)?.pricePlaces),
    },
    {
      id: "quantity",
      header: t.trade.quantity,
      meta: { isNumber: true },
      sortingFn: (a, b) => compareE8(a.original.quantity, b.original.quantity),
      accessorFn: (fill) => fill.quantity,
      cell: ({ row: { original } }) =>
        placed(original.quantity, markets.get(original.symbol)?.quantityPlaces),
    },
    {
      id: "total",
      header: t.trade.total,
      meta: { isNumber: true },
      sortingFn: (a, b) => compareE8(a.original.total, b.original.total),
      accessorFn: (fill) => fill.total,
      cell: ({ row: { original } }) => {
        const market = markets.get(original.symbol);
        return `${placed(original.total, market?.quotePlaces)} ${market?.quote ?? ""}`;
      },
    },
    {
      id: "fee",
      header: t.trade.orders.fee,
      meta: { isNumber: true },
      enableSorting: false,
      cell: ({ row: { original } }) => `${plain(original.fee)} ${original.feeAsset}`,
    },
    {
      id: "role",
      header: t.trade.orders.role,
      accessorFn: (fill) => (fill.isMaker ? t.trade.orders.maker : t.trade.orders.taker),
    },
  ];
}
