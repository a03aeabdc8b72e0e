import { useEffect, useRef, useState } from "react";

import { type Candle, type Interval, INTERVALS, withCandle } from "../../calculators/candles";
import { forDrawing } from "../../calculators/drawing";
import type { Market } from "../../calculators/markets";
import { changeBasisPoints, show, showBasisPoints, showShort } from "../../calculators/money";
import { CandleFeed } from "../../state/candle-feed";
import type { Loading } from "../../state/market-feed";
import { setInterval, usePreferences } from "../../state/preferences";
import { t } from "../../strings";
import { Failed, Nothing, Waiting } from "../parts/states";
import { PriceChart } from "./price-chart";

export default function ChartPanel({ market }: { market: Market }) {
  const stored = usePreferences((preferences) => preferences.interval);
  const interval = INTERVALS.find((known) => known === stored) ?? "15m";
  return (
    <section className="panel area-chart" aria-label={t.trade.chart.title}>
      <div className="panel-head">
        <h2 className="unseen">{t.trade.chart.title}</h2>
        <div className="intervals" role="group" aria-label={t.trade.chart.interval}>
          {INTERVALS.map((choice) => (
            <button
              key={choice}
              type="button"
              className="interval"
              aria-pressed={choice === interval}
              data-pressed={choice === interval ? "" : undefined}
              onClick={() => setInterval(choice)}
            >
              {choice}
            </button>
          ))}
        </div>
      </div>
      <Chart key={`${market.symbol}@${interval}`} market={market} interval={interval} />
    </section>
  );
}

function Chart({ market, interval }: { market: Market; interval: Interval }) {
  const element = useRef<HTMLDivElement>(null);
  const { status, candle, count, retry } = useChart(element, market, interval);
  return (
    <div className="chart">
      <div
        ref={element}
        className="chart-canvas"
        role="img"
        aria-label={t.trade.chart.label(market.symbol)}
        data-testid="chart"
        data-candles={count}
        data-last={candle === null ? "" : show(candle.close, market.pricePlaces)}
      />
      {candle !== null && <Legend candle={candle} market={market} />}
      <a className="chart-credit" href="https://www.tradingview.com/" target="_blank" rel="noreferrer">
        {t.trade.chart.by}
      </a>
      {status !== "ready" || count === 0 ? (
        <div className="chart-cover panel">
          {status === "loading" && <Waiting />}
          {status === "failed" && <Failed text={t.trade.chart.failed} onRetry={retry} />}
          {status === "ready" && <Nothing>{t.trade.chart.empty}</Nothing>}
        </div>
      ) : null}
    </div>
  );
}

interface Shown {
  status: Loading;
  /** The one under the crosshair, else the last. */
  candle: Candle | null;
  count: number;
  retry: () => void;
}

function useChart(
  element: React.RefObject<HTMLDivElement | null>,
  market: Market,
  interval: Interval,
): Shown {
  const [status, setStatus] = useState<Loading>("loading");
  const [candles, setCandles] = useState<readonly Candle[]>([]);
  const [pointed, setPointed] = useState<number | null>(null);
  const [attempt, setAttempt] = useState(0);
  const { symbol, pricePlaces, tick } = market;
  useEffect(() => {
    if (element.current === null) return;
    const chart = new PriceChart(element.current, pricePlaces, forDrawing(tick), {
      onCrosshair: setPointed,
      onNearStart: () => void feed.readOlder(),
    });
    const feed = new CandleFeed(symbol, interval, {
      onAll: (all) => {
        chart.setAll(all);
        setCandles(all);
        setStatus("ready");
      },
      onLast: (last) => {
        chart.setLast(last);
        setCandles((before) => withCandle(before, last));
        setStatus("ready");
      },
      onFailed: () => setStatus("failed"),
    });
    const stopPainting = paintWithTheme(chart);
    return () => {
      feed.stop();
      stopPainting();
      chart.remove();
    };
  }, [element, symbol, interval, pricePlaces, tick, attempt]);
  const retry = (): void => {
    setStatus("loading");
    setAttempt((before) => before + 1);
  };
  const candle = candles.find(({ time }) => time === pointed) ?? candles.at(-1) ?? null;
  return { status, candle, count: candles.length, retry };
}

/** Now, and whenever the theme changes, by choice or with the system. */
function paintWithTheme(chart: PriceChart): () => void {
  const paint = (): void => chart.paint(getComputedStyle(document.documentElement));
  paint();
  const observer = new MutationObserver(paint);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  const system = window.matchMedia("(prefers-color-scheme: light)");
  system.addEventListener("change", paint);
  return () => {
    observer.disconnect();
    system.removeEventListener("change", paint);
  };
}

function Legend({ candle, market }: { candle: Candle; market: Market }) {
  const words = t.trade.chart;
  const price = (value: bigint): string => show(value, market.pricePlaces);
  const direction = candle.close >= candle.open ? "up" : "down";
  return (
    <div className="chart-legend" aria-hidden>
      {(
        [
          [words.open, price(candle.open)],
          [words.high, price(candle.high)],
          [words.low, price(candle.low)],
          [words.close, price(candle.close)],
          ["", showBasisPoints(changeBasisPoints(candle.open, candle.close))],
        ] as const
      ).map(([name, value]) => (
        <span key={name} className={direction}>
          <span>{name}</span>
          {value}
        </span>
      ))}
      <span>
        <span>{words.volume}</span>
        {showShort(candle.volume)}
      </span>
    </div>
  );
}
