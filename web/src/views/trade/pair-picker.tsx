import { useMemo, useState } from "react";
import { Link, useNavigate } from "react-router";

import { type Market, search, type Ticker } from "../../calculators/markets";
import { show, showBasisPoints, showShort } from "../../calculators/money";
import { useMarkets } from "../../selectors/markets";
import { useMarketFeed } from "../../state/market-feed";
import { toggleFavourite, usePreferences } from "../../state/preferences";
import { t } from "../../strings";
import { Star } from "../parts/icons";

interface Props {
  current: string;
  onChosen: () => void;
}

export function PairPicker({ current, onChosen }: Props) {
  const [text, setText] = useState("");
  const { data } = useMarkets();
  const favourites = usePreferences((preferences) => preferences.favourites);
  const tickers = useMarketFeed((feed) => feed.tickers);
  const navigate = useNavigate();
  const found = useMemo(() => {
    const rank = (market: Market): number => (favourites.includes(market.symbol) ? 0 : 1);
    return search(data ?? [], text).sort((a, b) => rank(a) - rank(b));
  }, [data, text, favourites]);
  const first = found[0];
  return (
    <>
      <input
        className="input"
        type="search"
        aria-label={t.trade.picker.search}
        placeholder={t.trade.picker.search}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || first === undefined) return;
          void navigate(`/trade/${first.symbol}`);
          onChosen();
        }}
      />
      <div className="picker-list">
        {found.length === 0 ? (
          <p className="hint" role="status">
            {t.trade.picker.none}
          </p>
        ) : (
          <table>
            <thead>
              <tr>
                <th>
                  <span className="unseen">★</span>
                </th>
                <th>{t.trade.picker.pair}</th>
                <th className="number">{t.trade.picker.last}</th>
                <th className="number">{t.trade.picker.change}</th>
                <th className="number">{t.trade.picker.volume}</th>
              </tr>
            </thead>
            <tbody>
              {found.map((market) => (
                <PairRow
                  key={market.symbol}
                  market={market}
                  ticker={tickers[market.symbol]}
                  isCurrent={market.symbol === current}
                  isFavourite={favourites.includes(market.symbol)}
                  onChosen={onChosen}
                />
              ))}
            </tbody>
          </table>
        )}
      </div>
    </>
  );
}

interface RowProps {
  market: Market;
  ticker: Ticker | undefined;
  isCurrent: boolean;
  isFavourite: boolean;
  onChosen: () => void;
}

function PairRow({ market, ticker, isCurrent, isFavourite, onChosen }: RowProps) {
  return (
    <tr aria-current={isCurrent ? "true" : undefined}>
      <td>
        <button
          type="button"
          className="star"
          aria-pressed={isFavourite}
          aria-label={t.trade.picker.favourite(market.symbol)}
          onClick={() => toggleFavourite(market.symbol)}
        >
          <Star size={14} />
        </button>
      </td>
      <td>
        <Link to={`/trade/${market.symbol}`} onClick={onChosen}>
          {market.base}/{market.quote}
        </Link>{" "}
        {!market.isOpen && <span className="tag warn">{t.trade.picker.halted}</span>}
      </td>
      <td className="number">{ticker === undefined ? "–" : show(ticker.last, market.pricePlaces)}</td>
      <td
        className={`number ${ticker === undefined || ticker.change === 0n ? "" : ticker.change > 0n ? "up" : "down"}`}
      >
        {ticker === undefined ? "–" : showBasisPoints(ticker.change)}
      </td>
      <td className="number">{ticker === undefined ? "–" : showShort(ticker.quoteVolume)}</td>
    </tr>
  );
}
