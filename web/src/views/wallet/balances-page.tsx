import { useMemo } from "react";

import { show } from "../../calculators/money";
import { balanceLines, totalWorth } from "../../calculators/worth";
import { useMarkets } from "../../selectors/markets";
import { useMarketFeed } from "../../state/market-feed";
import { useSession } from "../../state/session";
import { t } from "../../strings";
import { BalanceTable } from "../trade/balance-table";

export function BalancesPage() {
  const balances = useSession(({ owned }) => owned.balances);
  const tickers = useMarketFeed((feed) => feed.tickers);
  const { data: markets } = useMarkets();
  const worth = useMemo(
    () => totalWorth(balanceLines(balances, tickers, markets ?? [], "USDT")),
    [balances, tickers, markets],
  );
  return (
    <>
      <dl className="tiles">
        <div className="tile">
          <dt>{t.wallet.worth}</dt>
          <dd className="value">{`${show(worth, 2)} USDT`}</dd>
        </div>
      </dl>
      <section className="card">
        <h2>{t.wallet.tabs.balances}</h2>
        <BalanceTable />
      </section>
    </>
  );
}
