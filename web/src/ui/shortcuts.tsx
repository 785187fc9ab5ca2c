// The keyboard. No key does anything while something is being typed, but for Escape.

import { flushSync } from "preact/compat";
import { useEffect } from "preact/hooks";
import { type as orderType, side } from "../state/draft";
import { markets } from "../state/market";
import { cancelAll } from "../state/orders";
import { symbol, theme } from "../state/settings";
import { attempt } from "../state/toasts";
import { dialog, marketsShown, ORDER_TABS, orderTab, phoneView } from "../state/view";

interface Shortcut {
  keys: string;
  what: string;
  act: () => void;
}

const SHORTCUTS: Shortcut[] = [
  { keys: "b", what: "Buy: to the form", act: () => write("BUY") },
  { keys: "s", what: "Sell: to the form", act: () => write("SELL") },
  { keys: "l", what: "Limit order", act: () => (orderType.value = "LIMIT") },
  { keys: "m", what: "Market order", act: () => (orderType.value = "MARKET") },
  { keys: "q", what: "To the quantity", act: () => focus("quantity", "maxQuote") },
  { keys: "p", what: "To the price", act: () => focus("price") },
  { keys: "/", what: "Find a market", act: findMarket },
  { keys: "j", what: "Next market", act: () => step(1) },
  { keys: "k", what: "Market before", act: () => step(-1) },
  { keys: "X", what: "Cancel all orders of all markets", act: () => void attempt(() => cancelAll()) },
  { keys: "c", what: "What the canary says", act: () => (dialog.value = { kind: "canary" }) },
  { keys: "a", what: "Account and keys", act: () => (dialog.value = { kind: "keys" }) },
  { keys: "t", what: "Light or dark", act: () => (theme.value = theme.value === "dark" ? "light" : "dark") },
  { keys: "?", what: "This list", act: () => (dialog.value = { kind: "shortcuts" }) },
];

export function useShortcuts(): void {
  useEffect(() => {
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target as HTMLElement;
  const typing = target.closest("input, select, textarea") !== null;
  if (event.key === "Escape" && typing) target.blur();
  if (event.key === "Escape") marketsShown.value = false;
  if (typing || dialog.value !== undefined) return;
  const tab = ORDER_TABS[Number(event.key) - 1];
  const found = SHORTCUTS.find((one) => one.keys === event.key);
  if (found === undefined && tab === undefined) return;
  event.preventDefault();
  if (tab !== undefined) orderTab.value = tab;
  found?.act();
}

function write(wanted: "BUY" | "SELL"): void {
  flushSync(() => {
    side.value = wanted;
    phoneView.value = "form";
  });
  focus("price", "maxQuote", "quantity");
}

/** To the first of these fields that is there, so that the very next key is typed into it. */
function focus(...ids: string[]): void {
  const found = ids.map((id) => document.getElementById(id)).find((element) => element !== null);
  if (!(found instanceof HTMLInputElement)) return;
  found.focus();
  found.select();
}

function findMarket(): void {
  flushSync(() => {
    marketsShown.value = true;
    phoneView.value = "markets";
  });
  focus("find-market");
}

function step(by: number): void {
  const names = markets.value.map((one) => one.market.symbol);
  const next = names[(names.indexOf(symbol.value) + by + names.length) % names.length];
  if (next !== undefined) symbol.value = next;
}

export function ShortcutList() {
  return (
    <dl class="pairs shortcuts">
      {SHORTCUTS.map((one) => [
        <dt key={`${one.keys} key`}>
          <kbd>{one.keys}</kbd>
        </dt>,
        <dd key={one.keys}>{one.what}</dd>,
      ])}
      <dt>
        <kbd>1</kbd>–<kbd>5</kbd>
      </dt>
      <dd>Orders, history, fills, balances, statement</dd>
      <dt>
        <kbd>Esc</kbd>
      </dt>
      <dd>Out of a field or a dialog</dd>
    </dl>
  );
}
