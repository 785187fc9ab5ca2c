// What this browser remembers of how its owner likes the page. No secrets: keys are in the key ring.

import { effect, type Signal, signal } from "@preact/signals";

type Theme = "dark" | "light";

function remembered<ValueT>(name: string, fallback: ValueT): Signal<ValueT> {
  const kept = signal(fallback);
  try {
    const text = localStorage.getItem(`glassbook.${name}`);
    if (text !== null) kept.value = JSON.parse(text) as ValueT;
  } catch {
    // Storage that is forbidden or was written by another version: the page starts with its defaults.
  }
  effect(() => {
    try {
      localStorage.setItem(`glassbook.${name}`, JSON.stringify(kept.value));
    } catch {
      // Then it is for this visit alone.
    }
  });
  return kept;
}

const prefersLight = matchMedia("(prefers-color-scheme: light)").matches;

export const theme = remembered<Theme>("theme", prefersLight ? "light" : "dark");
export const symbol = remembered("symbol", "");
export const interval = remembered("interval", "1m");
export const grouping = remembered("grouping", 0);
export const usedKey = remembered("key", "");

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});
