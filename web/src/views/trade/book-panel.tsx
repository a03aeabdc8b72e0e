import { memo, useState } from "react";

import { share } from "../../calculators/drawing";
import type { Row } from "../../calculators/book";
import { groupsOf, type Market } from "../../calculators/markets";
import { type E8, placesOf, plain, show } from "../../calculators/money";
import { useLadder } from "../../selectors/book";
import { useTicker } from "../../selectors/markets";
import { fillPrice } from "../../state/draft";
import { t } from "../../strings";
import { Failed, Nothing, Waiting } from "../parts/states";

const ROWS = 24;

export function BookPanel({ market }: { market: Market }) {
  const [group, setGroup] = useState(market.tick);
  const { status, ladder } = useLadder(market.symbol, group, ROWS);
  const isEmpty = ladder.bids.length === 0 && ladder.asks.length === 0;
  return (
    <section className="panel area-book" aria-label={t.trade.book.title}>
      <div className="panel-head">
        <h2>{t.trade.book.title}</h2>
        <GroupChoice market={market} group={group} onGroup={setGroup} />
      </div>
      {status === "loading" && <Waiting />}
      {status === "failed" && <Failed text={t.trade.book.failed} />}
      {status === "ready" && isEmpty && <Nothing>{t.trade.book.empty}</Nothing>}
      {status === "ready" && !isEmpty && (
        <div className="book" data-testid="book">
          <div className="book-columns">
            <span>{`${t.trade.price} (${market.quote})`}</span>
            <span className="number">{`${t.trade.quantity} (${market.base})`}</span>
            <span className="number">{t.trade.total}</span>
          </div>
          <Side market={market} rows={ladder.asks} deepest={ladder.deepest} group={group} isBid={false} />
          <Middle market={market} bid={ladder.bids[0]?.price} ask={ladder.asks[0]?.price} />
          <Side market={market} rows={ladder.bids} deepest={ladder.deepest} group={group} isBid />
        </div>
      )}
    </section>
  );
}

interface GroupProps {
  market: Market;
  group: E8;
  onGroup: (group: E8) => void;
}

function GroupChoice({ market, group, onGroup }: GroupProps) {
  return (
    <select
      className="select small end"
      aria-label={t.trade.book.group}
      value={plain(group)}
      onChange={(event) => {
        const chosen = groupsOf(market).find((candidate) => plain(candidate) === event.target.value);
        if (chosen !== undefined) onGroup(chosen);
      }}
    >
      {groupsOf(market).map((choice) => (
        <option key={plain(choice)}>{plain(choice)}</option>
      ))}
    </select>
  );
}

function Middle({ market, bid, ask }: { market: Market; bid: E8 | undefined; ask: E8 | undefined }) {
  const ticker = useTicker(market.symbol);
  const spread = bid === undefined || ask === undefined || ask < bid ? null : ask - bid;
  return (
    <div className="book-middle">
      <strong>
        {ticker === undefined || ticker.last === 0n ? "–" : show(ticker.last, market.pricePlaces)}
      </strong>
      <span className="muted">{`${t.trade.book.spread} ${spread === null ? t.trade.book.noSide : show(spread, market.pricePlaces)}`}</span>
    </div>
  );
}

interface SideProps {
  market: Market;
  rows: readonly Row[];
  deepest: E8;
  group: E8;
  isBid: boolean;
}

function Side({ market, rows, deepest, group, isBid }: SideProps) {
  const places = placesOf(group);
  const shown = isBid ? rows : [...rows].reverse();
  return (
    <div
      className={`book-side ${isBid ? "bids" : "asks"}`}
      role="group"
      aria-label={isBid ? t.trade.book.bids : t.trade.book.asks}
    >
      {shown.map((row) => (
        <Level
          key={plain(row.price)}
          price={show(row.price, places)}
          exact={plain(row.price)}
          quantity={show(row.quantity, market.quantityPlaces)}
          total={show(row.total, market.quantityPlaces)}
          // Whole hundredths: rows whose bar would move by less are not drawn again.
          bar={Math.round(share(row.total, deepest) * 100)}
          isBid={isBid}
        />
      ))}
    </div>
  );
}

interface LevelProps {
  price: string;
  exact: string;
  quantity: string;
  total: string;
  bar: number;
  isBid: boolean;
}

/** Drawn again only when something in it changed. A click takes its price into the form. */
const Level = memo(function Level({ price, exact, quantity, total, bar, isBid }: LevelProps) {
  return (
    <button type="button" className="book-row" tabIndex={-1} onClick={() => fillPrice(exact)}>
      <i className="book-bar" style={{ transform: `scaleX(${bar / 100})` }} />
      <span className={isBid ? "up" : "down"}>
        <span className="unseen">{`${t.trade.book.take(isBid ? t.trade.sell : t.trade.buy)} `}</span>
        {price}
      </span>
      <span>{quantity}</span>
      <span>{total}</span>
    </button>
  );
});
