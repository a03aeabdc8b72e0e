/** The drawing of candles and volumes, around TradingView's lightweight-charts. Knows nothing of React or of streams. */

import {
  type CandlestickData,
  CandlestickSeries,
  ColorType,
  createChart,
  type HistogramData,
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  type UTCTimestamp,
} from "lightweight-charts";

import type { Candle } from "../../calculators/candles";
import { forDrawing } from "../../calculators/drawing";

const FIRST_SHOWN = 120;
/** A young market's few candles are drawn this narrow at least, at the right. */
const SLOTS_MIN = 48;
const NEAR_THE_START = 20;

export interface ChartHandlers {
  /** The crosshair is on the candle that opened then; null when it left. */
  onCrosshair: (time: number | null) => void;
  onNearStart: () => void;
}

export class PriceChart {
  readonly #chart: IChartApi;
  readonly #prices: ISeriesApi<"Candlestick">;
  readonly #volumes: ISeriesApi<"Histogram">;
  #count = 0;
  #colours = { up: "", down: "", upSoft: "", downSoft: "" };

  constructor(element: HTMLElement, pricePlaces: number, tick: number, handlers: ChartHandlers) {
    this.#chart = createChart(element, {
      autoSize: true,
      // Its logo would bring a style element, which the policy forbids; the panel has the link that the licence asks for.
      layout: { attributionLogo: false },
      timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 6 },
      rightPriceScale: { scaleMargins: { top: 0.12, bottom: 0.24 } },
      localization: { locale: "en-GB" },
    });
    this.#prices = this.#chart.addSeries(CandlestickSeries, {
      priceFormat: { type: "price", precision: pricePlaces, minMove: tick },
      borderVisible: false,
    });
    this.#volumes = this.#chart.addSeries(HistogramSeries, {
      priceScaleId: "volume",
      priceFormat: { type: "volume" },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.#chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.#chart.subscribeCrosshairMove(({ time }) => {
      handlers.onCrosshair(typeof time === "number" ? (time + this.#zone) * 1000 : null);
    });
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range !== null && range.from < NEAR_THE_START && this.#count > 0) handlers.onNearStart();
    });
  }

  // The library draws UTC; people read their own time.
  readonly #zone = new Date().getTimezoneOffset() * 60;

  /** Colours come from the page's own, so both themes have one source. */
  paint(styles: CSSStyleDeclaration): void {
    const colour = (name: string): string => styles.getPropertyValue(name).trim();
    const { up, down } = { up: colour("--buy"), down: colour("--sell") };
    this.#colours = { up, down, upSoft: `${up}66`, downSoft: `${down}66` };
    const line = { color: colour("--line") };
    this.#chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: colour("--panel") },
        textColor: colour("--muted"),
        fontFamily: colour("--font"),
      },
      grid: { vertLines: line, horzLines: line },
      rightPriceScale: { borderColor: line.color },
      timeScale: { borderColor: line.color },
      crosshair: {
        vertLine: { color: colour("--line-strong"), labelBackgroundColor: colour("--accent-fill") },
        horzLine: { color: colour("--line-strong"), labelBackgroundColor: colour("--accent-fill") },
      },
    });
    this.#prices.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
  }

  setAll(candles: readonly Candle[]): void {
    const isFirst = this.#count === 0;
    this.#prices.setData(candles.map((candle) => this.#toPrice(candle)));
    this.#volumes.setData(candles.map((candle) => this.#toVolume(candle)));
    this.#count = candles.length;
    if (isFirst && candles.length > 0) {
      const from = Math.max(candles.length - FIRST_SHOWN, Math.min(candles.length - SLOTS_MIN, 0));
      this.#chart.timeScale().setVisibleLogicalRange({ from, to: candles.length + 5 });
    }
  }

  setLast(candle: Candle): void {
    this.#prices.update(this.#toPrice(candle));
    this.#volumes.update(this.#toVolume(candle));
  }

  remove(): void {
    this.#chart.remove();
  }

  #toPrice(candle: Candle): CandlestickData<UTCTimestamp> {
    return {
      time: this.#time(candle),
      open: forDrawing(candle.open),
      high: forDrawing(candle.high),
      low: forDrawing(candle.low),
      close: forDrawing(candle.close),
    };
  }

  #toVolume(candle: Candle): HistogramData<UTCTimestamp> {
    const color = candle.close >= candle.open ? this.#colours.upSoft : this.#colours.downSoft;
    return { time: this.#time(candle), value: forDrawing(candle.volume), color };
  }

  #time(candle: Candle): UTCTimestamp {
    return (candle.time / 1000 - this.#zone) as UTCTimestamp;
  }
}
