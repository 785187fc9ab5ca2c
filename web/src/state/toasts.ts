// Short messages at the edge of the page: what became of what the trader did.

import { signal } from "@preact/signals";
import { Refusal } from "../exchange/rest";

interface Toast {
  id: number;
  tone: "good" | "bad" | "plain";
  title: string;
  detail: string;
}

export const toasts = signal<Toast[]>([]);

const SHOWN_MS = { good: 4_000, plain: 4_000, bad: 9_000 };
const MOST = 5;
let lastId = 0;

export function say(tone: Toast["tone"], title: string, detail = ""): void {
  lastId += 1;
  const toast = { id: lastId, tone, title, detail };
  toasts.value = [...toasts.value, toast].slice(-MOST);
  setTimeout(() => dismiss(toast.id), SHOWN_MS[tone]);
}

export function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/** Does it, and says in words what was refused. True if it was done. */
export async function attempt(what: () => Promise<void>): Promise<boolean> {
  try {
    await what();
    return true;
  } catch (error) {
    if (error instanceof Refusal)
      say("bad", error.title, error.detail ? `${error.detail} (${error.code})` : error.code);
    else say("bad", "That did not work", error instanceof Error ? error.message : String(error));
    return false;
  }
}
