// The markets, the one that is looked at, and what its streams have brought: book, trades, tickers.

import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { Book, type DepthSnapshot, type DepthUpdate } from "../core/book";
import { priceDecimals, quantityDecimals } from "../core/terms";
import type { Bust, Listed, Markets, Ticker, Trade, Trades } from "../exchange/answers";
import { connection, feed } from "../exchange/feed";
import { ask } from "../exchange/rest";
import { symbol } from "./settings";

export const exchange = signal("");
export const markets = signal<Listed[]>([]);
export const failure = signal("");

/** The market that is looked at, with its terms. */
export const listed = computed(() => markets.value.find((one) => one.market.symbol === symbol.value));
export const market = computed(() => listed.value?.market);

/** Changes whenever `book` has: a Book is changed in place. */
export const bookVersion = signal(0);
export let book: Book | undefined;

export const trades = signal<Trade[]>([]); // newest first
export const tickers = signal<ReadonlyMap<string, Ticker>>(new Map());

const TAPE = 60;
const RETRY_MS = 2_000;
const MARKETS_MS = 15_000;

export async function loadMarkets(): Promise<void> {
  try {
    const found = await ask<Markets>("/api/v1/markets");
    batch(() => {
      exchange.value = found.exchange;
      if (JSON.stringify(found.markets) !== JSON.stringify(markets.value)) markets.value = found.markets;
      failure.value = "";
      if (listed.value === undefined) symbol.value = found.markets[0]?.market.symbol ?? "";
    });
    setTimeout(loadMarkets, MARKETS_MS);
  } catch (error) {
    failure.value = error instanceof Error ? error.message : String(error);
    setTimeout(loadMarkets, RETRY_MS);
  }
}

/** Follows the market that is looked at, whichever that is. */
export function followMarket(): void {
  effect(() => {
    const terms = market.value;
    if (terms === undefined) return;
    const stop = untracked(() => [
      followBook(terms.symbol, priceDecimals(terms), quantityDecimals(terms)),
      followTrades(terms.symbol),
      followTicker(terms.symbol),
    ]);
    return () => {
      for (const end of stop) end();
    };
  });
}

function followBook(name: string, priceDigits: number, quantityDigits: number): () => void {
  const own = new Book(priceDigits, quantityDigits);
  const stream = `depth@${name}`;
  book = own;
  bookVersion.value += 1;
  return feed.subscribe<DepthSnapshot | DepthUpdate>(stream, (message) => {
    if (own.apply(message)) bookVersion.value += 1;
    else feed.restart(stream);
  });
}

function followTrades(name: string): () => void {
  trades.value = [];
  let open = true;
  let filling = false;
  /** Those behind the newest one here; the newest there are, where that is too far back. */
  const fill = async () => {
    filling = true;
    try {
      const found = await ask<Trades>(`/api/v1/markets/${encodeURIComponent(name)}/trades?limit=${TAPE}`);
      if (open) trades.value = merged(found.trades.reverse(), trades.value);
    } catch {
      if (open) setTimeout(fill, RETRY_MS);
    }
    filling = false;
  };
  const stopEffect = effect(() => {
    if (connection.value === "live" || connection.value === "polling") void fill();
  });
  const stop = feed.subscribe<Trade | Bust>(`trades@${name}`, (trade) => {
    if ("type" in trade) {
      trades.value = trades.value.filter((one) => one.sequence !== trade.sequence);
      return;
    }
    const newest = trades.value[0]?.sequence;
    trades.value = merged([trade], trades.value);
    if (newest !== undefined && trade.sequence > newest + 1 && !filling) void fill();
  });
  return () => {
    open = false;
    stopEffect();
    stop();
  };
}

/** Each trade once, the newest first. */
function merged(some: Trade[], others: Trade[]): Trade[] {
  const bySequence = new Map([...others, ...some].map((trade) => [trade.sequence, trade]));
  return [...bySequence.values()].sort((one, other) => other.sequence - one.sequence).slice(0, TAPE);
}

/** Follows a market's ticker while somebody looks at it. */
export function followTicker(name: string): () => void {
  return feed.subscribe<Ticker>(`ticker@${name}`, (ticker) => {
    tickers.value = new Map(tickers.value).set(name, ticker);
  });
}

export function choose(name: string): void {
  if (markets.value.some((one) => one.market.symbol === name)) symbol.value = name;
}
