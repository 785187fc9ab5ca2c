// A market's book: a snapshot, then gap-free updates, each proven by its checksum. Prices and quantities are integers.

import { crc32 } from "./crc32";
import { parseDecimal } from "./decimal";

export type LevelText = [price: string, quantity: string];

/** What the stream `depth@SYMBOL` brings. */
export interface DepthSnapshot {
  type: "snapshot";
  sequence: number;
  bids: LevelText[];
  asks: LevelText[];
  checksum?: number;
}
export interface DepthUpdate {
  type: "update";
  first: number;
  last: number;
  bids: LevelText[];
  asks: LevelText[];
  checksum?: number;
}

export interface Level {
  price: bigint;
  quantity: bigint;
  text: LevelText;
}

const CHECKED_LEVELS = 10;

export class Book {
  /** Best first. */
  bids: Level[] = [];
  asks: Level[] = [];
  sequence = -1;

  constructor(
    readonly priceDecimals: number,
    readonly quantityDecimals: number,
  ) {}

  /** Takes what the stream brought. False where it doesn't fit behind what is here: ask for a new snapshot then. */
  apply(message: DepthSnapshot | DepthUpdate): boolean {
    if (message.type === "snapshot") {
      this.bids = message.bids.map((text) => this.level(text));
      this.asks = message.asks.map((text) => this.level(text));
      this.sequence = message.sequence;
    } else {
      if (message.first !== this.sequence + 1) return false;
      for (const text of message.bids) change(this.bids, this.level(text), -1n);
      for (const text of message.asks) change(this.asks, this.level(text), 1n);
      this.sequence = message.last;
    }
    return message.checksum === undefined || message.checksum === this.checksum();
  }

  /** CRC-32 over the best ten levels of both sides, in turn, as docs/streams.md has it. */
  checksum(): number {
    const parts: string[] = [];
    for (let at = 0; at < CHECKED_LEVELS; at += 1) {
      for (const level of [this.bids[at], this.asks[at]]) {
        if (level !== undefined) parts.push(level.text.join(":"));
      }
    }
    return crc32(parts.join("|"));
  }

  private level(text: LevelText): Level {
    return {
      price: parseDecimal(text[0], this.priceDecimals),
      quantity: parseDecimal(text[1], this.quantityDecimals),
      text,
    };
  }
}

/** Puts the level into its place, O(log n) to find it; `direction` is 1n where lower prices come first. */
function change(levels: Level[], level: Level, direction: 1n | -1n): void {
  let low = 0;
  let high = levels.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (((levels[middle] as Level).price - level.price) * direction < 0n) low = middle + 1;
    else high = middle;
  }
  const found = levels[low]?.price === level.price;
  if (level.quantity === 0n) {
    if (found) levels.splice(low, 1);
  } else {
    levels.splice(low, found ? 1 : 0, level);
  }
}
