// What the canary says: how far it has judged the log, and what it found wrong.

import { computed, signal } from "@preact/signals";
import type { Alert, Alerts } from "../exchange/answers";
import { connection, feed } from "../exchange/feed";
import { ask, exchangeNowMs } from "../exchange/rest";
import { market } from "./market";

/** What the stream `alerts` says of the canary itself. */
interface CanaryState {
  type: "state";
  /** The next offset of each partition that it reads, as "orders-9". */
  judged: Record<string, number>;
  /** How many records lie behind these. */
  behind: number;
}

export const alerts = signal<Alert[]>([]); // newest first
export const canary = signal<CanaryState | undefined>(undefined);

const MOST = 200;
const SILENT_MS = 12_000;
const LOOK_MS = 1_000;
const FAR_BEHIND = 5_000;
const LATE_SHOWN_MS = 5 * 60_000;
const ALERTS_AGAIN_MS = 30_000;

/** What contradicts its input. That something came late, or a stranger was refused, makes nothing red. */
export const wrong = computed(() => alerts.value.filter((alert) => alert.severity === "WRONG"));

const movedAt = signal(0);
const now = signal(0);

/** `unknown`: its word doesn't reach this page, or it stands still. */
export const tone = computed<"well" | "behind" | "late" | "wrong" | "unknown">(() => {
  if (wrong.value.length > 0) return "wrong";
  const late = alerts.value.find((alert) => alert.severity === "LATE");
  if (late !== undefined && exchangeNowMs() - late.time_ms < LATE_SHOWN_MS && now.value > 0) return "late";
  const state = canary.value;
  if (state === undefined || connection.value !== "live" || now.value - movedAt.value > SILENT_MS) return "unknown";
  return state.behind > FAR_BEHIND ? "behind" : "well";
});

/** The last offset of the market's orders that was judged. */
export const judgedHere = computed(() => {
  const next = canary.value?.judged[`orders-${market.value?.partition ?? ""}`];
  return next === undefined ? undefined : next - 1;
});

export function followCanary(): void {
  feed.subscribe<Alert | CanaryState>("alerts", (data) => {
    if (!("type" in data)) take(data);
    else {
      // It is asked for once a second, whether it lives or not; ticks on the log keep a living one moving.
      if (JSON.stringify(data.judged) !== JSON.stringify(canary.value?.judged)) movedAt.value = performance.now();
      canary.value = data;
    }
  });
  void readAlerts();
  setInterval(readAlerts, ALERTS_AGAIN_MS);
  setInterval(() => {
    now.value = performance.now();
  }, LOOK_MS);
}

/** What was said while nobody listened here. */
async function readAlerts(): Promise<void> {
  try {
    for (const alert of (await ask<Alerts>(`/api/v1/alerts?limit=${MOST}`)).alerts) take(alert);
  } catch {
    // Asked again soon; until then the badge goes by the stream alone.
  }
}

function take(alert: Alert): void {
  if (alerts.value.some((known) => known.alert_id === alert.alert_id)) return;
  alerts.value = [alert, ...alerts.value].sort((one, other) => other.time_ms - one.time_ms).slice(0, MOST);
}
