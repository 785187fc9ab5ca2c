// The order that is being written. It is checked as it is written, and nothing of it is sent before it is signed.

import { computed, signal } from "@preact/signals";
import type { NewOrder, OrderType, SelfTrade, Side, TimeInForce } from "../core/commands";
import { type Draft, type Market, problemsOf } from "../core/terms";
import { market } from "./market";
import { phoneView } from "./view";

export const side = signal<Side>("BUY");
export const type = signal<OrderType>("LIMIT");
export const price = signal("");
export const quantity = signal("");
export const maxQuote = signal("");
export const timeInForce = signal<TimeInForce>("GTC");
export const postOnly = signal(false);
export const expiryMinutes = signal("60");
export const selfTrade = signal<SelfTrade>("EXPIRE_TAKER");

const MAX_EXPIRY_MINUTES = 60 * 24 * 365;

export const draft = computed<Draft>(() => ({
  side: side.value,
  type: type.value,
  price: price.value.trim(),
  quantity: quantity.value.trim(),
  maxQuote: maxQuote.value.trim(),
}));

export const problems = computed(() => (market.value === undefined ? {} : problemsOf(draft.value, market.value)));

export const expiryProblem = computed(() => {
  if (type.value !== "LIMIT" || timeInForce.value !== "GTD") return "";
  const minutes = expiryMinutes.value.trim();
  const fits = /^\d{1,6}$/.test(minutes) && Number(minutes) >= 1 && Number(minutes) <= MAX_EXPIRY_MINUTES;
  return fits ? "" : "A whole number of minutes, up to a year.";
});

export const ready = computed(() => Object.keys(problems.value).length === 0 && expiryProblem.value === "");

/** A click on the ladder or the tape. */
export function takePrice(text: string): void {
  price.value = text;
  type.value = "LIMIT";
  if (phoneView.value === "book") phoneView.value = "form";
}

/** The command that the draft is, without its stamp. */
export function commandOf(terms: Market, nowMs: number): NewOrder {
  const { value } = draft;
  const isLimit = value.type === "LIMIT";
  const spends = !isLimit && value.side === "BUY";
  const goodTill = isLimit && timeInForce.value === "GTD";
  const marketTif = timeInForce.value === "FOK" ? "FOK" : "IOC";
  return {
    command: "new_order",
    client_order_id: freshId(),
    symbol: terms.symbol,
    side: value.side,
    type: value.type,
    time_in_force: isLimit ? timeInForce.value : marketTif,
    ...(isLimit && { price: value.price }),
    ...(value.quantity !== "" && { quantity: value.quantity }),
    ...(spends && { max_quote: value.maxQuote }),
    ...(goodTill && { valid_until_ms: nowMs + Number(expiryMinutes.value) * 60_000 }),
    ...(isLimit && postOnly.value && { post_only: true }),
    self_trade: selfTrade.value,
  };
}

function freshId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
