// Streams by asking the REST API: what `/ws` would bring, a little later. For where WebSockets don't get through.

import type { DepthSnapshot, LevelText } from "../core/book";
import type { Alerts, Candles, Trades } from "./answers";
import { ask } from "./rest";

const DEPTH = 200;
const SLOWLY_MS = 5_000;

const seenTrades = new Map<string, number>();
const askedAt = new Map<string, number>();

interface BookAnswer {
  sequence: number;
  bids: LevelText[];
  asks: LevelText[];
}

/** The data of this stream's next messages. Tickers have none: the list of markets makes do with candles. */
export async function poll(stream: string): Promise<unknown[]> {
  const [kind, rest = ""] = stream.split("@");
  const [symbol = "", interval = ""] = rest.split(":");
  const market = `/api/v1/markets/${encodeURIComponent(symbol)}`;
  switch (kind) {
    case "trades":
      return trades(stream, market);
    case "depth":
      return [await depth(market)];
    case "candles":
      return (await ask<Candles>(`${market}/candles?interval=${interval}&limit=2`)).candles;
    case "ticker":
      return due(stream) ? [await dayTicker(symbol, market)] : [];
    case "alerts":
      return due(stream) ? (await ask<Alerts>("/api/v1/alerts?limit=50")).alerts : [];
    default:
      return [];
  }
}

async function depth(market: string): Promise<DepthSnapshot> {
  const { sequence, bids, asks } = await ask<BookAnswer>(`${market}/book?levels=${DEPTH}`);
  return { type: "snapshot", sequence, bids, asks };
}

async function trades(stream: string, market: string): Promise<unknown[]> {
  const seen = seenTrades.get(stream);
  const after = seen === undefined ? "limit=1" : `after=${seen}&limit=1000`;
  const found = (await ask<Trades>(`${market}/trades?${after}`)).trades;
  seenTrades.set(stream, found.at(-1)?.sequence ?? seen ?? 0);
  return found;
}

/** The last 24 hours by their candles of an hour, the last one forming. */
async function dayTicker(symbol: string, market: string): Promise<unknown> {
  const { candles } = await ask<Candles>(`${market}/candles?interval=1h&limit=24`);
  const [first, last] = [candles[0], candles.at(-1)];
  if (first === undefined || last === undefined) return { symbol, last: null };
  const by = (name: "high" | "low") => candles.map((candle) => Number(candle[name]));
  return {
    symbol,
    last: last.close,
    open: first.open,
    high: String(Math.max(...by("high"))),
    low: String(Math.min(...by("low"))),
    change_percent: (((Number(last.close) - Number(first.open)) / Number(first.open)) * 100).toFixed(2),
    volume: String(candles.reduce((sum, candle) => sum + Number(candle.volume), 0)),
  };
}

function due(stream: string): boolean {
  const now = performance.now();
  if (now - (askedAt.get(stream) ?? Number.NEGATIVE_INFINITY) < SLOWLY_MS) return false;
  askedAt.set(stream, now);
  return true;
}
