import { useMemo, useState } from "react";

import type { Market } from "../../calculators/markets";
import type { Order } from "../../calculators/orders";
import { useMarketsBySymbol } from "../../selectors/markets";
import { reload, useSession } from "../../state/session";
import { cancel, cancelAll } from "../../state/trading";
import { t } from "../../strings";
import { type Columns, DataTable } from "../parts/data-table";
import { Modal } from "../parts/dialog";
import { tell } from "../parts/outcome";
import { Failed, Nothing, Waiting } from "../parts/states";
import { AmendDialog } from "./amend-dialog";
import { nameOf, orderColumns } from "./order-columns";

interface Props {
  market: Market;
  onlyMarket: boolean;
}

export function OpenOrders({ market, onlyMarket }: Props) {
  const { orders, status } = useSession((state) => state.owned);
  const markets = useMarketsBySymbol();
  const [amended, setAmended] = useState<Order | null>(null);
  const shown = useMemo(
    () => (onlyMarket ? orders.filter((order) => order.symbol === market.symbol) : orders),
    [orders, onlyMarket, market.symbol],
  );
  const columns = useMemo(
    () => [...orderColumns(markets).filter(({ id }) => id !== "average"), actionColumn(setAmended)],
    [markets],
  );
  if (status === "loading") return <Waiting />;
  if (status === "failed") return <Failed text={t.shell.links.offline} onRetry={reload} />;
  const ofMarket = orders.some((order) => order.symbol === market.symbol);
  return (
    <>
      {shown.length === 0 ? (
        <Nothing>{t.trade.orders.none}</Nothing>
      ) : (
        <DataTable
          label={t.trade.orders.open}
          rows={shown}
          columns={columns}
          rowId={(order) => String(order.id)}
        />
      )}
      {ofMarket && <CancelAll symbol={market.symbol} />}
      {amended !== null && (
        <AmendDialog order={amended} market={markets.get(amended.symbol)} onClose={() => setAmended(null)} />
      )}
    </>
  );
}

function actionColumn(onAmend: (order: Order) => void): Columns<Order>[number] {
  return {
    id: "actions",
    header: () => <span className="unseen">{t.trade.orders.actions}</span>,
    enableSorting: false,
    cell: ({ row: { original } }) => <RowActions order={original} onAmend={onAmend} />,
  };
}

function RowActions({ order, onAmend }: { order: Order; onAmend: (order: Order) => void }) {
  const [isCancelling, setIsCancelling] = useState(false);
  const canAmend = (order.type === "LIMIT" || order.type === "LIMIT_MAKER") && order.listId < 0;
  const onCancel = async (): Promise<void> => {
    setIsCancelling(true);
    if (!tell(await cancel(order), t.trade.notices.cancelled)) setIsCancelling(false);
  };
  return (
    <div className="row-actions">
      {canAmend && (
        <button
          type="button"
          className="button small"
          aria-label={t.trade.orders.amendOf(nameOf(order))}
          onClick={() => onAmend(order)}
        >
          {t.trade.orders.amend}
        </button>
      )}
      <button
        type="button"
        className="button small danger"
        disabled={isCancelling}
        aria-label={t.trade.orders.cancelOf(nameOf(order))}
        onClick={() => void onCancel()}
      >
        {t.trade.orders.cancel}
      </button>
    </div>
  );
}

function CancelAll({ symbol }: { symbol: string }) {
  const [isAsking, setIsAsking] = useState(false);
  const onCancel = async (): Promise<void> => {
    setIsAsking(false);
    tell(await cancelAll(symbol), t.trade.notices.cancelledAll);
  };
  return (
    <div className="filters">
      <button type="button" className="text-button" onClick={() => setIsAsking(true)}>
        {`${t.trade.orders.cancelAll} (${symbol})`}
      </button>
      <Modal
        title={t.trade.orders.cancelAllTitle(symbol)}
        isOpen={isAsking}
        onClose={() => setIsAsking(false)}
      >
        <p className="muted">{t.trade.orders.cancelAllText}</p>
        <div className="actions">
          <button type="button" className="button" onClick={() => setIsAsking(false)}>
            {t.shell.close}
          </button>
          <button type="button" className="button sell" onClick={() => void onCancel()}>
            {t.trade.orders.cancelAll}
          </button>
        </div>
      </Modal>
    </div>
  );
}
