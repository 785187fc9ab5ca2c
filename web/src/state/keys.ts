// The keys of this browser, and the one that signs now.

import { batch, computed, signal } from "@preact/signals";
import { forgetKey, keepKey, keptKeys, type StoredKey } from "../exchange/key_ring";
import { Session } from "../exchange/session";
import { exchange } from "./market";
import { usedKey } from "./settings";
import { say } from "./toasts";

export const keys = signal<StoredKey[]>([]);
export const key = computed(() => keys.value.find((one) => one.publicText === usedKey.value) ?? keys.value[0]);

export const session = computed(() => {
  const own = key.value;
  return own === undefined || exchange.value === "" ? undefined : new Session(exchange.value, own);
});

export async function loadKeys(): Promise<void> {
  try {
    keys.value = await keptKeys();
  } catch {
    say("bad", "This browser keeps no keys", "IndexedDB is not to be had here, as in some private windows.");
  }
}

export async function addKey(own: StoredKey): Promise<void> {
  await keepKey(own);
  batch(() => {
    keys.value = [...keys.value.filter((one) => one.publicText !== own.publicText), own];
    usedKey.value = own.publicText;
  });
}

export async function dropKey(own: StoredKey): Promise<void> {
  await forgetKey(own.publicText);
  keys.value = keys.value.filter((one) => one.publicText !== own.publicText);
}
