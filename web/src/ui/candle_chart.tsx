// Candles and volume, drawn by TradingView's lightweight-charts. Older candles are asked for as they are scrolled to.

import { effect, useSignal } from "@preact/signals";
import {
  CandlestickSeries,
  ColorType,
  CrosshairMode,
  createChart,
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useRef } from "preact/hooks";
import { type Market, priceDecimals } from "../core/terms";
import type { Candle } from "../exchange/answers";
import { CandleHistory } from "../state/candles";
import { theme } from "../state/settings";
import { grouped, short } from "./words";

const NEAR_THE_BEGINNING = 40;

export function CandleChart({ terms, interval }: { terms: Market; interval: string }) {
  const frame = useRef<HTMLDivElement>(null);
  const pointed = useSignal<Candle | undefined>(undefined);
  const empty = useSignal(false);
  useEffect(() => {
    const drawing = new Drawing(frame.current as HTMLElement, terms, interval);
    const history = new CandleHistory(
      terms.symbol,
      interval,
      () => {
        drawing.replace(history.candles);
        pointed.value = history.candles.at(-1);
        empty.value = history.candles.length === 0;
      },
      (candle) => {
        drawing.update(candle);
        pointed.value = candle;
        empty.value = false;
      },
    );
    drawing.onBeginningNear(() => void history.older());
    drawing.onPointed((time) => {
      pointed.value = history.candles.findLast((one) => time === undefined || one.open_time_ms / 1000 === time);
    });
    history.start();
    return () => {
      history.stop();
      drawing.remove();
    };
  }, []);
  return (
    <>
      <div class="chart-canvas" ref={frame} />
      {empty.value ? <p class="nothing over">No trade yet.</p> : <Legend candle={pointed.value} terms={terms} />}
    </>
  );
}

function Legend({ candle, terms }: { candle: Candle | undefined; terms: Market }) {
  if (candle === undefined) return null;
  const tone = Number(candle.close) >= Number(candle.open) ? "up" : "down";
  const digits = priceDecimals(terms);
  return (
    <p class="legend">
      <span class="muted">O</span> <span class={tone}>{grouped(candle.open, digits)}</span> <span class="muted">H</span>{" "}
      <span class={tone}>{grouped(candle.high, digits)}</span> <span class="muted">L</span>{" "}
      <span class={tone}>{grouped(candle.low, digits)}</span> <span class="muted">C</span>{" "}
      <span class={tone}>{grouped(candle.close, digits)}</span> <span class="muted">V</span>{" "}
      <span>{short(candle.volume)}</span>
    </p>
  );
}

/** A chart in the page's colours, whichever they are just now. */
class Drawing {
  private readonly chart: IChartApi;
  private readonly price: ISeriesApi<"Candlestick">;
  private readonly volume: ISeriesApi<"Histogram">;
  private readonly stopTheme: () => void;
  private colours = { up: "", down: "", upGround: "", downGround: "" };
  private drawn: Candle[] = [];

  constructor(frame: HTMLElement, terms: Market, interval: string) {
    this.chart = createChart(frame, {
      autoSize: true,
      // It would put a style element into the page, which the Content-Security-Policy forbids; "About" names them.
      layout: { attributionLogo: false },
      crosshair: { mode: CrosshairMode.Normal },
      timeScale: {
        timeVisible: interval !== "1d",
        secondsVisible: interval === "1s",
        rightOffset: 4,
        barSpacing: 9,
        borderVisible: false,
      },
      rightPriceScale: { borderVisible: false },
      localization: { timeFormatter: (time: number) => new Date(time * 1000).toLocaleString("en-GB") },
    });
    const minMove = Number(terms.tick);
    this.price = this.chart.addSeries(CandlestickSeries, {
      borderVisible: false,
      priceFormat: { type: "price", precision: priceDecimals(terms), minMove },
    });
    this.volume = this.chart.addSeries(HistogramSeries, {
      priceScaleId: "volume",
      priceFormat: { type: "volume" },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.chart.priceScale("right").applyOptions({ scaleMargins: { top: 0.1, bottom: 0.24 } });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.stopTheme = effect(() => {
      theme.value; // the colours are the style sheet's
      this.takeColours();
    });
  }

  replace(candles: Candle[]): void {
    this.drawn = candles;
    this.price.setData(candles.map(priceOf));
    this.volume.setData(candles.map((candle) => this.volumeOf(candle)));
  }

  update(candle: Candle): void {
    this.price.update(priceOf(candle));
    this.volume.update(this.volumeOf(candle));
  }

  onBeginningNear(ask: () => void): void {
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range !== null && range.from < NEAR_THE_BEGINNING) ask();
    });
  }

  onPointed(take: (time: number | undefined) => void): void {
    this.chart.subscribeCrosshairMove((event) => take(event.time as number | undefined));
  }

  remove(): void {
    this.stopTheme();
    this.chart.remove();
  }

  private takeColours(): void {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
    this.colours = {
      up: colour("up"),
      down: colour("down"),
      upGround: colour("up-ground"),
      downGround: colour("down-ground"),
    };
    const { up, down } = this.colours;
    this.chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: "transparent" },
        textColor: colour("muted"),
        fontFamily: colour("font"),
        fontSize: 11,
      },
      grid: { vertLines: { color: colour("line") }, horzLines: { color: colour("line") } },
    });
    this.price.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
    if (this.drawn.length > 0) this.replace(this.drawn);
  }

  private volumeOf(candle: Candle) {
    const rose = Number(candle.close) >= Number(candle.open);
    const color = rose ? this.colours.upGround : this.colours.downGround;
    return { time: timeOf(candle), value: Number(candle.volume), color };
  }
}

function timeOf(candle: Candle): UTCTimestamp {
  return (candle.open_time_ms / 1000) as UTCTimestamp;
}

/** As numbers, for pixels alone. */
function priceOf(candle: Candle) {
  const { open, high, low, close } = candle;
  return { time: timeOf(candle), open: Number(open), high: Number(high), low: Number(low), close: Number(close) };
}
