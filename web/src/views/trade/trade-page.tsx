import { Suspense, lazy, useEffect, useState } from "react";
import { Navigate, useParams } from "react-router";

import type { Market } from "../../calculators/markets";
import { useMarkets } from "../../selectors/markets";
import { followMarket } from "../../state/market-feed";
import { t } from "../../strings";
import { Failed, Waiting } from "../parts/states";
import { NotFound } from "../shell/elsewhere";
import { BookPanel } from "./book-panel";
import { FormPanel } from "./form-panel";
import { OrdersPanel } from "./orders-panel";
import { PairHeader } from "./pair-header";
import { TapePanel } from "./tape-panel";

const ChartPanel = lazy(() => import("./chart-panel"));

export function ToFirstMarket() {
  const { data, isError, refetch } = useMarkets();
  if (isError) return <Failed text={t.shell.links.offline} onRetry={() => void refetch()} />;
  const first = data?.[0];
  return first === undefined ? <Waiting /> : <Navigate to={`/trade/${first.symbol}`} replace />;
}

export function TradePage() {
  const { symbol = "" } = useParams();
  const { data, isError, refetch } = useMarkets();
  if (data === undefined && isError)
    return <Failed text={t.shell.links.offline} onRetry={() => void refetch()} />;
  if (data === undefined) return <Waiting />;
  const market = data.find((candidate) => candidate.symbol === symbol);
  return market === undefined ? <NotFound /> : <Trade key={symbol} market={market} />;
}

type MarketTab = "chart" | "book" | "tape";

function Trade({ market }: { market: Market }) {
  const { symbol } = market;
  const [tab, setTab] = useState<MarketTab>("chart");
  useEffect(() => followMarket(symbol), [symbol]);
  return (
    <div className="trade" data-market-tab={tab}>
      <PairHeader market={market} />
      <PhoneTabs tab={tab} onTab={setTab} />
      <Suspense
        fallback={
          <section className="panel area-chart">
            <Waiting />
          </section>
        }
      >
        <ChartPanel market={market} />
      </Suspense>
      <BookPanel market={market} />
      <FormPanel market={market} />
      <OrdersPanel market={market} />
      <TapePanel market={market} />
    </div>
  );
}

/** On a phone one of the three fits. */
function PhoneTabs({ tab, onTab }: { tab: MarketTab; onTab: (tab: MarketTab) => void }) {
  const titles = { chart: t.trade.chart.title, book: t.trade.book.title, tape: t.trade.tape.title };
  return (
    <div className="phone-tabs panel">
      <div className="tabs">
        {(["chart", "book", "tape"] as const).map((choice) => (
          <button
            key={choice}
            type="button"
            className="tab"
            aria-pressed={tab === choice}
            data-active={tab === choice ? "" : undefined}
            onClick={() => onTab(choice)}
          >
            {titles[choice]}
          </button>
        ))}
      </div>
    </div>
  );
}
