import { useMemo, useState } from "react";

import { ordersCsv, type Span } from "../../calculators/history";
import type { Market } from "../../calculators/markets";
import { isOpen } from "../../calculators/orders";
import { useOrderHistory } from "../../selectors/history";
import { useMarketsBySymbol } from "../../selectors/markets";
import { t } from "../../strings";
import { DataTable } from "../parts/data-table";
import { saveFile } from "../parts/save-file";
import { Failed, Nothing, Waiting } from "../parts/states";
import { type SideFilter, SideSelect, SpanSelect } from "./history-filters";
import { orderColumns } from "./order-columns";

interface Props {
  market: Market;
  onlyMarket: boolean;
}

const STATUSES = ["FILLED", "CANCELED", "EXPIRED", "REJECTED"] as const;
type StatusFilter = "ALL" | (typeof STATUSES)[number];

export function OrderHistory({ market, onlyMarket }: Props) {
  const [span, setSpan] = useState<Span>("week");
  const [side, setSide] = useState<SideFilter>("ALL");
  const [status, setStatus] = useState<StatusFilter>("ALL");
  const markets = useMarketsBySymbol();
  const symbols = useMemo(
    () => (onlyMarket ? [market.symbol] : [...markets.keys()]),
    [onlyMarket, market.symbol, markets],
  );
  const { data, isError, refetch } = useOrderHistory(symbols, span);
  const columns = useMemo(() => orderColumns(markets), [markets]);
  const shown = useMemo(
    () =>
      (data ?? [])
        .filter((order) => !isOpen(order))
        .filter((order) => side === "ALL" || order.side === side)
        .filter((order) => status === "ALL" || order.status.startsWith(status)),
    [data, side, status],
  );
  return (
    <>
      <div className="filters">
        <SpanSelect span={span} onSpan={setSpan} />
        <SideSelect side={side} onSide={setSide} />
        <label>
          {t.trade.orders.statusFilter}
          <select
            className="select small"
            value={status}
            onChange={(event) => setStatus(STATUSES.find((known) => known === event.target.value) ?? "ALL")}
          >
            <option value="ALL">{t.trade.orders.all}</option>
            {STATUSES.map((choice) => (
              <option key={choice} value={choice}>
                {t.trade.statusOf[choice]}
              </option>
            ))}
          </select>
        </label>
        <button
          type="button"
          className="text-button"
          disabled={shown.length === 0}
          onClick={() => saveFile("orders.csv", ordersCsv(shown), "text/csv")}
        >
          {t.trade.orders.csv}
        </button>
      </div>
      {data === undefined && !isError && <Waiting />}
      {data === undefined && isError && (
        <Failed text={t.shell.links.offline} onRetry={() => void refetch()} />
      )}
      {data !== undefined && shown.length === 0 && <Nothing>{t.trade.orders.noHistory}</Nothing>}
      {shown.length > 0 && (
        <DataTable
          label={t.trade.orders.history}
          rows={shown}
          columns={columns}
          rowId={(order) => `${order.symbol}:${order.id}`}
        />
      )}
    </>
  );
}
