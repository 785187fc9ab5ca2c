// Play money on a local system: the gateway there opens the account and deposits what a market trades, once an asset.

import { computed, signal } from "@preact/signals";
import type { Market } from "../core/terms";
import type { StoredKey } from "../exchange/key_ring";
import { ask, send } from "../exchange/rest";
import { balances, refresh, standing } from "./account";
import { addKey, key } from "./keys";
import { market } from "./market";
import { say } from "./toasts";

export const offered = signal(false);

export async function askWhetherOffered(): Promise<void> {
  try {
    offered.value = (await ask<{ offered: boolean }>("/api/v1/demonstration")).offered;
  } catch {
    offered.value = false;
  }
}

/** Nothing of the market's assets was ever booked onto the account. */
export const lacksFunds = computed(() => {
  const terms = market.value;
  if (terms === undefined) return false;
  const had = new Set(balances.value.map((one) => one.asset));
  return standing.value !== "unknown" && !(had.has(terms.base) && had.has(terms.quote));
});

/** For the account of this key, which the page may have just made. */
export async function getFunds(terms: Market, own: StoredKey): Promise<void> {
  const rootKey = own.delegation?.key ?? own.publicText;
  await send("POST", "/api/v1/demonstration", JSON.stringify({ root_key: rootKey, symbol: terms.symbol }));
  if (key.value?.publicText === own.publicText) await refresh();
  else await addKey(own);
  say("good", "Play money is there", `${terms.base} and ${terms.quote}, to try the exchange with`);
}
