import { useMemo } from "react";

import { compareE8, type E8, plain, show } from "../../calculators/money";
import { type BalanceLine, balanceLines } from "../../calculators/worth";
import { useMarketFeed } from "../../state/market-feed";
import { useMarkets } from "../../selectors/markets";
import { reload, useSession } from "../../state/session";
import { t } from "../../strings";
import { type Columns, DataTable } from "../parts/data-table";
import { Failed, Nothing, Waiting } from "../parts/states";

const COLUMNS: Columns<BalanceLine> = [
  { id: "asset", header: t.trade.orders.asset, accessorFn: (line) => line.asset },
  amount("free", t.trade.orders.free, (line) => line.free),
  amount("locked", t.trade.orders.locked, (line) => line.locked),
  amount("total", t.trade.orders.inTotal, (line) => line.total),
  {
    id: "worth",
    header: t.trade.orders.worth("USDT"),
    meta: { isNumber: true },
    sortingFn: (a, b) => compareE8(a.original.worth ?? 0n, b.original.worth ?? 0n),
    accessorFn: (line) => line.worth ?? 0n,
    cell: ({ row: { original } }) => (original.worth === null ? "–" : show(original.worth, 2)),
  },
];

function amount(id: string, header: string, of: (line: BalanceLine) => E8): Columns<BalanceLine>[number] {
  return {
    id,
    header,
    meta: { isNumber: true },
    accessorFn: of,
    sortingFn: (a, b) => compareE8(of(a.original), of(b.original)),
    cell: ({ row: { original } }) => plain(of(original)),
  };
}

export function BalanceTable() {
  const { balances, status } = useSession((state) => state.owned);
  const tickers = useMarketFeed((feed) => feed.tickers);
  const { data: markets } = useMarkets();
  const lines = useMemo(
    () => balanceLines(balances, tickers, markets ?? [], "USDT"),
    [balances, tickers, markets],
  );
  if (status === "loading") return <Waiting />;
  if (status === "failed") return <Failed text={t.shell.links.offline} onRetry={reload} />;
  if (lines.length === 0) return <Nothing>{t.trade.orders.noBalances}</Nothing>;
  return (
    <DataTable label={t.trade.orders.balances} rows={lines} columns={COLUMNS} rowId={(line) => line.asset} />
  );
}
