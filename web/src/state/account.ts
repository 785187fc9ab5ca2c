// The account that trades on this page, as the exchange says: balances, orders, fills, journal. They come by the
// account's own stream; without one they are asked for.

import { batch, effect, signal } from "@preact/signals";
import type {
  AccountEnded,
  AccountEvent,
  AccountSnapshot,
  AccountTrade,
  AccountTrades,
  AccountUpdate,
  Balance,
  Balances,
  Executions,
  OpenOrders,
  Order,
  Statement,
  StatementLine,
} from "../exchange/answers";
import { connection, feed } from "../exchange/feed";
import { Refusal } from "../exchange/rest";
import type { Session } from "../exchange/session";
import { session } from "./keys";

interface JournalEntry {
  sequence: number;
  timeMs: number;
  events: AccountEvent[];
}

/** `unknown` until the exchange has said whether it has this account. */
export const standing = signal<"unknown" | "absent" | "open">("unknown");
export const balances = signal<Balance[]>([]);
export const openOrders = signal<Order[]>([]); // newest first
export const fills = signal<AccountTrade[]>([]); // newest first
export const journal = signal<JournalEntry[]>([]); // newest first
export const statement = signal<StatementLine[]>([]); // newest first

const STREAM = "account";
const POLL_MS = 1_000;
const FILLS_WAIT_MS = 250;
const ROWS = 200;
const JOURNAL_REACH = 5_000;

export function freeOf(asset: string): string {
  return balances.value.find((one) => one.asset === asset)?.free ?? "0";
}

// --- by asking

/** Asks for everything but the journal anew. */
export async function refresh(): Promise<void> {
  const own = session.value;
  if (own === undefined) return;
  try {
    const [{ answer: had, cursor }, open] = await Promise.all([
      own.readPlaced<Balances>("/api/v1/balances"),
      own.read<OpenOrders>("/api/v1/orders?status=open&limit=1000"),
    ]);
    if (session.value !== own) return;
    batch(() => {
      standing.value = "open";
      balances.value = had.balances;
      openOrders.value = open.orders.reverse();
    });
    await readFills(own);
    await readJournal(own, cursor);
  } catch (error) {
    if (session.value !== own || !(error instanceof Refusal)) return;
    if (error.code === "UNKNOWN_ACCOUNT") standing.value = "absent";
  }
}

async function readFills(own: Session): Promise<void> {
  const found = await own.read<AccountTrades>(`/api/v1/account/trades?limit=${ROWS}`);
  if (session.value === own) fills.value = found.trades.reverse();
}

/** The end of the journal; a partition is shared by many accounts, so that its end may hold little of this one. */
async function readJournal(own: Session, newest: number): Promise<void> {
  const after = Math.max(0, newest - JOURNAL_REACH);
  const page = await own.read<Executions>(`/api/v1/executions?after=${after}&limit=1000`);
  if (session.value !== own) return;
  const found = page.executions.map((one) => ({ sequence: one.sequence, timeMs: one.time_ms, events: one.events }));
  const bySequence = new Map([...found, ...journal.value].map((entry) => [entry.sequence, entry]));
  journal.value = [...bySequence.values()].sort((one, other) => other.sequence - one.sequence).slice(0, ROWS);
}

export async function readStatement(): Promise<void> {
  const own = session.value;
  if (own === undefined) return;
  const found = await own.read<Statement>(`/api/v1/account/statement?limit=${ROWS}`);
  if (session.value === own) statement.value = found.lines.reverse();
}

// --- by stream

let sequence = 0;

function take(message: AccountSnapshot | AccountUpdate | AccountEnded): void {
  if (message.type === "ended") {
    standing.value = "unknown";
    return;
  }
  if (message.type === "update" && message.sequence !== sequence + 1) {
    feed.restart(STREAM);
    return;
  }
  sequence = message.sequence;
  batch(() => {
    standing.value = "open";
    if (message.type === "snapshot") {
      balances.value = message.balances;
      openOrders.value = message.orders.toReversed();
      readFillsSoon();
    } else {
      applyUpdate(message);
    }
  });
}

function applyUpdate(update: AccountUpdate): void {
  const changed = new Map(update.balances.map((one) => [one.asset, one]));
  const kept = balances.value.filter((one) => !changed.has(one.asset));
  balances.value = [...kept, ...changed.values()].sort((one, other) => (one.asset < other.asset ? -1 : 1));
  const touched = new Map(update.orders.map((order) => [order.order_id, order]));
  const known = new Set(openOrders.value.map((order) => order.order_id));
  const orders = openOrders.value.map((order) => touched.get(order.order_id) ?? order);
  const fresh = update.orders.filter((order) => !known.has(order.order_id)).toReversed();
  openOrders.value = [...fresh, ...orders].filter((order) => order.status === "OPEN" || order.status === "PENDING");
  const entry = { sequence: update.sequence, timeMs: update.time_ms, events: update.events };
  journal.value = [entry, ...journal.value].slice(0, ROWS);
  if (update.events.some(({ event }) => event === "order_filled" || event === "trade_reversed")) readFillsSoon();
}

let waiting = false;

/** However many fills come at once, they are read once. */
function readFillsSoon(): void {
  const own = session.value;
  if (waiting || own === undefined) return;
  waiting = true;
  setTimeout(() => {
    waiting = false;
    readFills(own).catch(() => undefined);
  }, FILLS_WAIT_MS);
}

export function followAccount(): void {
  effect(() => {
    const own = session.value;
    batch(() => {
      standing.value = "unknown";
      balances.value = [];
      openOrders.value = [];
      fills.value = [];
      journal.value = [];
      statement.value = [];
    });
    if (own !== undefined) void refresh();
  });
  effect(() => {
    const own = session.value;
    if (own === undefined || standing.value !== "open") return;
    return feed.subscribe(STREAM, take, () => own.auth());
  });
  setInterval(() => {
    const needed = standing.value === "unknown" || (standing.value === "open" && connection.value !== "live");
    if (needed && !document.hidden) void refresh();
  }, POLL_MS);
}
