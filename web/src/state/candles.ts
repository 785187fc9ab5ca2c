// One market's candles of one interval: pages of history as they are asked for, then the stream. Oldest first, each
// bucket once; a closed candle never changes again.

import { effect } from "@preact/signals";
import type { Candle, Candles } from "../exchange/answers";
import { connection, feed } from "../exchange/feed";
import { ask } from "../exchange/rest";

const PAGE = 500;
const RETRY_MS = 2_000;

export class CandleHistory {
  candles: Candle[] = [];
  private more = true;
  private loading = false;
  private closed = false;
  private stopFollowing: () => void = () => undefined;

  /** `onPage` is called when candles came in front, `onCandle` for each new or changed one at the end. */
  constructor(
    private readonly symbol: string,
    private readonly interval: string,
    private readonly onPage: () => void,
    private readonly onCandle: (candle: Candle) => void,
  ) {}

  start(): void {
    const stopStream = feed.subscribe<Candle>(`candles@${this.symbol}:${this.interval}`, (candle) => this.take(candle));
    // What was missed while nothing was connected is on the newest page.
    const stopEffect = effect(() => {
      if (connection.value === "live" || connection.value === "polling") void this.newest();
    });
    this.stopFollowing = () => {
      stopStream();
      stopEffect();
    };
  }

  stop(): void {
    this.closed = true;
    this.stopFollowing();
  }

  /** The newest page, in place of what is here of its time; asked for until it comes. */
  private async newest(): Promise<void> {
    try {
      const page = await this.ask("");
      const first = page.candles[0]?.open_time_ms ?? 0;
      const known = this.candles.at(-1)?.open_time_ms ?? 0;
      const joins = known >= first;
      const kept = joins ? this.candles.filter((candle) => candle.open_time_ms < first) : [];
      if (kept.length === 0) this.more = page.more;
      const newer = this.candles.filter((candle) => candle.open_time_ms > (page.candles.at(-1)?.open_time_ms ?? 0));
      this.candles = [...kept, ...page.candles, ...newer];
      if (!this.closed) this.onPage();
    } catch {
      if (!this.closed) setTimeout(() => void this.newest(), RETRY_MS);
    }
  }

  private ask(range: string): Promise<Candles> {
    const market = `/api/v1/markets/${encodeURIComponent(this.symbol)}`;
    return ask<Candles>(`${market}/candles?interval=${this.interval}&limit=${PAGE}${range}`);
  }

  /** The page in front of the oldest candle that is here. */
  async older(): Promise<void> {
    const oldest = this.candles[0];
    if (oldest === undefined || this.loading || !this.more || this.closed) return;
    this.loading = true;
    try {
      const page = await this.ask(`&to=${oldest.open_time_ms}`);
      if (this.closed) return;
      this.candles = [...page.candles, ...this.candles];
      this.more = page.more;
      this.onPage();
    } catch {
      // Scrolling on asks again.
    } finally {
      this.loading = false;
    }
  }

  private take(candle: Candle): void {
    const last = this.candles.at(-1);
    if (last !== undefined && candle.open_time_ms < last.open_time_ms) return;
    if (last?.open_time_ms === candle.open_time_ms) {
      if (last.closed) return;
      this.candles[this.candles.length - 1] = candle;
    } else {
      this.candles.push(candle);
    }
    this.onCandle(candle);
  }
}
