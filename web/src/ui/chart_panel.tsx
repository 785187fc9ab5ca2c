// The chart's panel: candles with volume, or the depth of the book.

import { useSignal } from "@preact/signals";
import { market } from "../state/market";
import { interval } from "../state/settings";
import { CanaryBanner } from "./canary";
import { CandleChart } from "./candle_chart";
import { DepthChart } from "./depth_chart";

const INTERVALS = ["1s", "1m", "5m", "15m", "1h", "4h", "1d"];

export function ChartPanel() {
  const shows = useSignal<"candles" | "depth">("candles");
  const terms = market.value;
  return (
    <section class="panel chart" aria-label="Chart">
      <CanaryBanner />
      <div class="panel-head">
        <div class="tabs" role="tablist" aria-label="Chart or depth">
          {(["candles", "depth"] as const).map((kind) => (
            <button
              type="button"
              role="tab"
              key={kind}
              aria-selected={shows.value === kind}
              onClick={() => {
                shows.value = kind;
              }}
            >
              {kind === "candles" ? "Candles" : "Depth"}
            </button>
          ))}
        </div>
        <span class="spacer" />
        {shows.value === "candles" && (
          <div class="tabs" role="group" aria-label="Interval">
            {INTERVALS.map((name) => (
              <button
                type="button"
                key={name}
                aria-pressed={interval.value === name}
                onClick={() => {
                  interval.value = name;
                }}
              >
                {name}
              </button>
            ))}
          </div>
        )}
      </div>
      <div class="fill chart-body">
        {terms !== undefined && shows.value === "candles" && (
          <CandleChart key={`${terms.symbol} ${interval.value}`} terms={terms} interval={interval.value} />
        )}
        {terms !== undefined && shows.value === "depth" && <DepthChart terms={terms} />}
      </div>
    </section>
  );
}
