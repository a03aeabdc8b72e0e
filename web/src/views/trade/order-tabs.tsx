import { Tabs } from "@base-ui/react/tabs";
import { useState } from "react";

import type { Market } from "../../calculators/markets";
import { useSession } from "../../state/session";
import { t } from "../../strings";
import { BalanceTable } from "./balance-table";
import { OpenOrders } from "./open-orders";
import { OrderHistory } from "./order-history";
import { TradeHistory } from "./trade-history";

const TABS = ["open", "history", "trades", "balances"] as const;

export default function OrderTabs({ market }: { market: Market }) {
  const openCount = useSession(({ owned }) => owned.orders.length);
  const [onlyMarket, setOnlyMarket] = useState(false);
  const count = openCount > 0 ? ` (${openCount})` : "";
  return (
    <Tabs.Root defaultValue="open" className="orders">
      <div className="panel-head orders-head">
        <Tabs.List className="tabs">
          {TABS.map((tab) => (
            <Tabs.Tab key={tab} value={tab} className="tab">
              {t.trade.orders[tab] + (tab === "open" ? count : "")}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <label className="check end only-market">
          <input
            type="checkbox"
            checked={onlyMarket}
            onChange={(event) => setOnlyMarket(event.target.checked)}
          />
          {t.trade.orders.onlyMarket}
        </label>
      </div>
      <Tabs.Panel value="open" className="orders-tab">
        <OpenOrders market={market} onlyMarket={onlyMarket} />
      </Tabs.Panel>
      <Tabs.Panel value="history" className="orders-tab">
        <OrderHistory market={market} onlyMarket={onlyMarket} />
      </Tabs.Panel>
      <Tabs.Panel value="trades" className="orders-tab">
        <TradeHistory market={market} onlyMarket={onlyMarket} />
      </Tabs.Panel>
      <Tabs.Panel value="balances" className="orders-tab">
        <BalanceTable />
      </Tabs.Panel>
    </Tabs.Root>
  );
}
