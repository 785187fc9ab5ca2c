// The line at the top: market, its day, the canary, the connection, the account.

import { priceDecimals } from "../core/terms";
import { connection } from "../exchange/feed";
import { roundTripMs } from "../exchange/rest";
import { standing } from "../state/account";
import { key } from "../state/keys";
import { listed, market, tickers } from "../state/market";
import { theme } from "../state/settings";
import { dialog, marketsShown, phoneView } from "../state/view";
import { CanaryBadge } from "./canary";
import { grouped, short, shortAccount, signedPercent, toneOf } from "./words";

export function Head() {
  return (
    <header class="head">
      <button type="button" class="brand" title="About" onClick={() => open("about")}>
        <Mark />
        <span>Glassbook</span>
      </button>
      <MarketDay />
      <span class="spacer" />
      <CanaryBadge />
      <Connection />
      <button
        type="button"
        class="button small"
        title="Light or dark"
        aria-label="Light or dark"
        onClick={() => {
          theme.value = theme.value === "dark" ? "light" : "dark";
        }}
      >
        ◐
      </button>
      <button
        type="button"
        class="button small"
        title="Shortcuts"
        aria-label="Shortcuts"
        onClick={() => open("shortcuts")}
      >
        ?
      </button>
      <AccountButton />
    </header>
  );
}

function open(kind: "about" | "shortcuts" | "keys"): void {
  dialog.value = { kind };
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="20" height="20" aria-hidden="true">
      <path d="M5 10h12v4H5zm0 6h9v4H5zm0 6h5v4H5z" fill="var(--up)" />
      <path d="M15 4h12v4H15zm7 6h5v4h-5zm-3 6h8v4h-8z" fill="var(--accent)" />
    </svg>
  );
}

function MarketDay() {
  const terms = market.value;
  if (terms === undefined) return null;
  const ticker = tickers.value.get(terms.symbol);
  const decimals = priceDecimals(terms);
  const state = listed.value?.state;
  return (
    <div class="day">
      <button
        type="button"
        class="day-symbol"
        title="Markets"
        onClick={() => {
          marketsShown.value = !marketsShown.value;
          if (phoneView.value !== "markets") phoneView.value = "markets";
        }}
      >
        {terms.symbol}
        <span class="muted"> ▾</span>
      </button>
      {state !== "OPEN" && <span class="state-mark">{state}</span>}
      <span class={`day-last ${toneOf(ticker?.change_percent)}`}>{grouped(ticker?.last, decimals)}</span>
      <dl class="day-facts">
        <Fact name="24 h" value={signedPercent(ticker?.change_percent)} tone={toneOf(ticker?.change_percent)} />
        <Fact name="High" value={grouped(ticker?.high, decimals)} />
        <Fact name="Low" value={grouped(ticker?.low, decimals)} />
        <Fact name={`Volume ${terms.base}`} value={short(ticker?.volume)} />
      </dl>
    </div>
  );
}

function Fact(props: { name: string; value: string; tone?: string }) {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd class={props.tone ?? ""}>{props.value}</dd>
    </div>
  );
}

const CONNECTION_WORDS = {
  connecting: "Connecting",
  live: "Live",
  polling: "Polling",
  lost: "No connection",
};

function Connection() {
  const state = connection.value;
  const took = roundTripMs.value;
  const title =
    state === "polling"
      ? "No stream for now: the page asks twice a second instead"
      : "Market data, and how long the gateway takes to answer";
  return (
    <div class={`badge connection-${state}`} title={title} role="status">
      <span class="dot" />
      <span class="badge-words">{CONNECTION_WORDS[state]}</span>
      <span class="badge-figure muted">{took === undefined ? "–" : `${Math.max(1, Math.round(took))} ms`}</span>
    </div>
  );
}

function AccountButton() {
  const own = key.value;
  if (own === undefined) {
    return (
      <button type="button" class="button small primary" onClick={() => open("keys")}>
        Start trading
      </button>
    );
  }
  return (
    <button type="button" class="button small" title="Account and keys" onClick={() => open("keys")}>
      {standing.value === "absent" && <span class="warning">not open </span>}
      <span class="mono">{shortAccount(own.account)}</span>
    </button>
  );
}
