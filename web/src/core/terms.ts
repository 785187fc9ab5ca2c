// A market's terms, and what they make of an order: reserve, fee, and what is wrong with it before it is signed.

import type { OrderType, Side } from "./commands";
import { BadDecimal, decimalsOf, formatDecimal, parseDecimal } from "./decimal";

export interface Market {
  symbol: string;
  base: string;
  quote: string;
  base_decimals: number;
  quote_decimals: number;
  tick: string;
  lot: string;
  min_quantity: string;
  max_quantity: string;
  min_notional: string;
  price_low: string;
  price_high: string;
  maker_fee: string;
  taker_fee: string;
  partition: number;
}

const FEE_DECIMALS = 6;

export interface Draft {
  side: Side;
  type: OrderType;
  price: string;
  quantity: string;
  /** Of a market buy: the most that it may spend. */
  maxQuote: string;
}

export type FieldName = "price" | "quantity" | "maxQuote";
type Problems = Partial<Record<FieldName, string>>;

export function priceDecimals(market: Market): number {
  return decimalsOf(market.tick);
}

export function quantityDecimals(market: Market): number {
  return decimalsOf(market.lot);
}

/** What the exchange would refuse, in words for each field. An empty field is only wrong where it is needed. */
export function problemsOf(draft: Draft, market: Market): Problems {
  const problems: Problems = {};
  const check = (field: FieldName, rule: () => string) => {
    try {
      const wrong = rule();
      if (wrong) problems[field] = wrong;
    } catch (error) {
      if (!(error instanceof BadDecimal)) throw error;
      problems[field] = error.message;
    }
  };
  if (draft.type === "LIMIT") check("price", () => wrongPrice(draft.price, market));
  const spends = draft.type === "MARKET" && draft.side === "BUY";
  if (spends) check("maxQuote", () => wrongAmount(draft.maxQuote, market));
  if (!spends || draft.quantity !== "") check("quantity", () => wrongQuantity(draft, market));
  return problems;
}

function wrongPrice(text: string, market: Market): string {
  if (text === "") return `Give a price in ${market.quote}.`;
  const units = parseDecimal(text, 18);
  const [tick, low, high] = [market.tick, market.price_low, market.price_high].map((term) => parseDecimal(term, 18));
  if (units % (tick as bigint) !== 0n) return `A price is a multiple of the tick, ${market.tick}.`;
  if (units < (low as bigint) || units > (high as bigint)) {
    return `A price lies between ${market.price_low} and ${market.price_high}.`;
  }
  return "";
}

function wrongQuantity(draft: Draft, market: Market): string {
  if (draft.quantity === "") return `Give a quantity in ${market.base}.`;
  const units = parseDecimal(draft.quantity, 18);
  const [lot, low, high] = [market.lot, market.min_quantity, market.max_quantity].map((term) => parseDecimal(term, 18));
  if (units % (lot as bigint) !== 0n) return `A quantity is a multiple of the lot, ${market.lot}.`;
  if (units < (low as bigint) || units > (high as bigint)) {
    return `A quantity lies between ${market.min_quantity} and ${market.max_quantity}.`;
  }
  const value = draft.type === "LIMIT" ? notional(draft.price, draft.quantity, market) : undefined;
  if (value !== undefined && value > 0n && value < parseDecimal(market.min_notional, market.quote_decimals)) {
    return `An order is worth at least ${market.min_notional} ${market.quote}.`;
  }
  return "";
}

function wrongAmount(text: string, market: Market): string {
  if (text === "") return `Give the most to spend, in ${market.quote}.`;
  if (parseDecimal(text, market.quote_decimals) <= 0n) return "The most to spend is above zero.";
  return "";
}

/** Price times quantity in units of the quote asset, rounded down; undefined where one is missing or wrong. */
export function notional(price: string, quantity: string, market: Market): bigint | undefined {
  try {
    const product = parseDecimal(price, 18) * parseDecimal(quantity, 18);
    return product / 10n ** BigInt(36 - market.quote_decimals);
  } catch (error) {
    if (error instanceof BadDecimal) return undefined;
    throw error;
  }
}

/** The fee on a notional at a rate such as "0.0003"; towards zero, as the exchange rounds. */
export function feeOf(notionalUnits: bigint, rate: string): bigint {
  return (notionalUnits * parseDecimal(rate, FEE_DECIMALS)) / 10n ** BigInt(FEE_DECIMALS);
}

/** The largest quantity, in whole lots, that so much of the quote asset buys at a price with the taker's fee. */
export function affordable(free: string, price: string, market: Market): string {
  const priceUnits = parseDecimal(price, 18);
  if (priceUnits <= 0n) return "0";
  const rate = parseDecimal(market.taker_fee, FEE_DECIMALS);
  const withFee = 10n ** BigInt(FEE_DECIMALS) + (rate > 0n ? rate : 0n);
  const quantity = (parseDecimal(free, 18) * 10n ** 18n * 10n ** BigInt(FEE_DECIMALS)) / (priceUnits * withFee);
  return wholeLots(quantity, market);
}

/** A quantity in units of 10^-18, cut down to whole lots. */
export function wholeLots(units: bigint, market: Market): string {
  const lot = parseDecimal(market.lot, 18);
  return formatDecimal((units / lot) * lot, 18);
}
