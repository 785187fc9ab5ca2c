// How numbers and times are written on the page.

import { decimalsOf, formatGrouped, parseDecimal } from "../core/decimal";

/** A decimal string with thousands apart, and at least so many decimals. */
export function grouped(text: string | null | undefined, atLeast = 0): string {
  if (text === null || text === undefined || text === "") return "–";
  const decimals = Math.max(decimalsOf(text), atLeast);
  return formatGrouped(parseDecimal(text, decimals), decimals);
}

/** At most so many decimals, cut off: for columns that are narrow, never for what is signed. */
export function cut(units: bigint, decimals: number, most: number): string {
  if (decimals <= most) return formatGrouped(units, decimals);
  return formatGrouped(units / 10n ** BigInt(decimals - most), most);
}

/** 12,345,678 as 12.35M: for volumes that nobody needs to the last digit. */
export function short(text: string | null | undefined): string {
  if (text === null || text === undefined) return "–";
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 }).format(Number(text));
}

export function signedPercent(text: string | null | undefined): string {
  if (text === null || text === undefined) return "–";
  const value = Number(text);
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)}%`;
}

export function toneOf(text: string | null | undefined): "up" | "down" | "muted" {
  const value = Number(text ?? 0);
  return value > 0 ? "up" : value < 0 ? "down" : "muted";
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-CA", { year: "numeric", month: "2-digit", day: "2-digit" });

export function clock(timeMs: number): string {
  return CLOCK.format(timeMs);
}

/** Of today the time alone: most of what is shown just happened. */
export function when(timeMs: number): string {
  return DAY.format(timeMs) === DAY.format(Date.now()) ? clock(timeMs) : dayAndClock(timeMs);
}

export function dayAndClock(timeMs: number): string {
  return `${DAY.format(timeMs)} ${CLOCK.format(timeMs)}`;
}

export function shortAccount(account: string): string {
  return `${account.slice(0, 6)}…${account.slice(-4)}`;
}
