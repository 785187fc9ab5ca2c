// All markets with price, change and the shape of their last hours. Only rows in sight are followed.

import { useComputed, useSignal } from "@preact/signals";
import { memo } from "preact/compat";
import { useEffect, useRef } from "preact/hooks";
import { type Market, priceDecimals } from "../core/terms";
import type { Candles, Listed } from "../exchange/answers";
import { ask } from "../exchange/rest";
import { choose, followTicker, markets, tickers } from "../state/market";
import { symbol } from "../state/settings";
import { marketsShown, phoneView } from "../state/view";
import { grouped, signedPercent, toneOf } from "./words";

const SPARK_POINTS = 60;
const SPARK_MS = 60_000;
const RETRY_MS = 5_000;

export function MarketList() {
  const wanted = useSignal("");
  const shown = matching(wanted.value);
  return (
    <section class={`panel markets ${marketsShown.value ? "shown" : ""}`} aria-label="Markets">
      <div class="panel-head">
        <input
          id="find-market"
          class="find"
          type="search"
          placeholder="Find a market  /"
          aria-label="Find a market"
          value={wanted.value}
          onInput={(event) => {
            wanted.value = event.currentTarget.value;
          }}
          onKeyDown={(event) => {
            const first = matching(event.currentTarget.value)[0];
            if (event.key === "Enter" && first !== undefined) pick(first.market.symbol);
          }}
        />
      </div>
      <div class="scroll fill">
        {shown.map((one) => (
          <MarketRow key={one.market.symbol} market={one.market} open={one.state === "OPEN"} />
        ))}
        {shown.length === 0 && <p class="nothing">No market of that name.</p>}
      </div>
    </section>
  );
}

function matching(wanted: string): Listed[] {
  const text = wanted.trim().toUpperCase();
  return markets.value.filter((one) => one.market.symbol.includes(text));
}

function pick(name: string): void {
  choose(name);
  marketsShown.value = false;
  if (phoneView.value === "markets") phoneView.value = "chart";
}

const MarketRow = memo(function MarketRow({ market, open }: { market: Market; open: boolean }) {
  const row = useRef<HTMLButtonElement>(null);
  const name = market.symbol;
  const ticker = useComputed(() => tickers.value.get(name)).value;
  const closes = useSignal<number[]>([]);
  useEffect(
    () => whileInSight(row.current as HTMLElement, () => followRow(name, (found) => (closes.value = found))),
    [name],
  );
  const tone = toneOf(ticker?.change_percent);
  return (
    <button type="button" ref={row} class="market-row" aria-current={symbol.value === name} onClick={() => pick(name)}>
      <span class="market-name">
        {market.base}
        <span class="muted">/{market.quote}</span>
      </span>
      <span class={`market-change ${tone}`}>{signedPercent(ticker?.change_percent)}</span>
      <span class="market-price muted">{open ? grouped(ticker?.last, priceDecimals(market)) : "not open"}</span>
      <Spark closes={closes.value} tone={tone} />
    </button>
  );
});

function followRow(name: string, take: (closes: number[]) => void): () => void {
  const stop = followTicker(name);
  const load = async () => {
    try {
      const path = `/api/v1/markets/${encodeURIComponent(name)}/candles?interval=1m&fill=true&limit=${SPARK_POINTS}`;
      take((await ask<Candles>(path)).candles.map((candle) => Number(candle.close)));
      timer = setTimeout(load, SPARK_MS);
    } catch {
      timer = setTimeout(load, RETRY_MS);
    }
  };
  let timer = setTimeout(load, 0);
  return () => {
    clearTimeout(timer);
    stop();
  };
}

/** Calls `begin` when the element comes into sight, and what that returned when it leaves it. */
function whileInSight(element: HTMLElement, begin: () => () => void): () => void {
  let end: (() => void) | undefined;
  const observer = new IntersectionObserver((entries) => {
    const inSight = entries.at(-1)?.isIntersecting ?? false;
    if (inSight && end === undefined) end = begin();
    if (!inSight && end !== undefined) {
      end();
      end = undefined;
    }
  });
  observer.observe(element);
  return () => {
    observer.disconnect();
    end?.();
  };
}

function Spark({ closes, tone }: { closes: number[]; tone: string }) {
  const [low, high] = [Math.min(...closes), Math.max(...closes)];
  const y = (close: number) => (high === low ? 9 : 17 - ((close - low) / (high - low)) * 16);
  const x = (index: number) => (index / Math.max(1, closes.length - 1)) * 60;
  const path = closes.map((close, index) => `${index === 0 ? "M" : "L"}${x(index).toFixed(1)} ${y(close).toFixed(1)}`);
  return (
    <svg class={`spark ${tone}`} viewBox="0 0 60 18" preserveAspectRatio="none" aria-hidden="true">
      {closes.length > 1 && (
        <path d={path.join("")} fill="none" stroke="currentColor" vector-effect="non-scaling-stroke" />
      )}
    </svg>
  );
}
