// What the book ladder shows: levels grouped by a step of the price, with what lies before each of them.

import type { Level } from "./book";
import { floorDivide, formatDecimal } from "./decimal";

export interface Row {
  price: bigint;
  quantity: bigint;
  cumulative: bigint;
}

/** Levels, best first, as rows. A bid is shown at the step below, an ask at the step above: never better than it is. */
export function ladderRows(levels: Level[], side: "bid" | "ask", step: bigint, count: number): Row[] {
  const rows: Row[] = [];
  let cumulative = 0n;
  for (const level of levels) {
    const price = side === "bid" ? floorDivide(level.price, step) * step : -floorDivide(-level.price, step) * step;
    let row = rows.at(-1);
    if (row === undefined || row.price !== price) {
      if (rows.length === count) break;
      row = { price, quantity: 0n, cumulative };
      rows.push(row);
    }
    cumulative += level.quantity;
    row.quantity += level.quantity;
    row.cumulative = cumulative;
  }
  return rows;
}

/** The tick and steps of 1, 2, 5, 10… times it, as units of the price. */
export function steps(tick: bigint, count = 8): bigint[] {
  const factors = [1n, 2n, 5n, 10n, 20n, 50n, 100n, 200n, 500n, 1000n, 10000n];
  return factors.slice(0, count).map((factor) => tick * factor);
}

export function stepText(step: bigint, priceDecimals: number): string {
  return formatDecimal(step, priceDecimals);
}

/** Between best bid and best ask; undefined where a side is empty. */
export function spread(bids: Level[], asks: Level[]): bigint | undefined {
  const [bid, ask] = [bids[0], asks[0]];
  return bid === undefined || ask === undefined ? undefined : ask.price - bid.price;
}
