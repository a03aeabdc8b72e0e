import { memo } from "react";

import type { Market } from "../../calculators/markets";
import { show } from "../../calculators/money";
import type { TapeTrade } from "../../calculators/tape";
import { useMarketFeed } from "../../state/market-feed";
import { t } from "../../strings";
import { clock } from "../parts/time";
import { Failed, Nothing, Waiting } from "../parts/states";

export function TapePanel({ market }: { market: Market }) {
  const isOurs = useMarketFeed((feed) => feed.symbol === market.symbol);
  const tape = useMarketFeed((feed) => feed.tape);
  const status = isOurs ? tape.status : "loading";
  return (
    <section className="panel area-tape" aria-label={t.trade.tape.title}>
      <div className="panel-head">
        <h2>{t.trade.tape.title}</h2>
      </div>
      {status === "loading" && <Waiting />}
      {status === "failed" && <Failed text={t.trade.tape.failed} />}
      {status === "ready" && tape.trades.length === 0 && <Nothing>{t.trade.tape.empty}</Nothing>}
      {status === "ready" && tape.trades.length > 0 && (
        // Scrollable, so it can be reached by keyboard.
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        <div className="panel-body" tabIndex={0} role="region" aria-label={t.trade.tape.title}>
          <table className="tape" data-testid="tape">
            <thead>
              <tr>
                <th>{`${t.trade.price} (${market.quote})`}</th>
                <th className="number">{`${t.trade.quantity} (${market.base})`}</th>
                <th className="number">{t.trade.time}</th>
              </tr>
            </thead>
            <tbody>
              {tape.trades.map((trade) => (
                <Trade key={trade.id} trade={trade} market={market} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

const Trade = memo(function Trade({ trade, market }: { trade: TapeTrade; market: Market }) {
  return (
    <tr>
      <td className={`number-left ${trade.side}`}>
        <span className="unseen">{trade.side === "BUY" ? t.trade.bought : t.trade.sold} </span>
        {show(trade.price, market.pricePlaces)}
      </td>
      <td className="number">{show(trade.quantity, market.quantityPlaces)}</td>
      <td className="number muted">{clock(trade.time)}</td>
    </tr>
  );
});
