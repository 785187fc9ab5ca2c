// What the order that is being written would cost.

import { useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { formatDecimal, parseDecimal } from "../core/decimal";
import { feeOf, type Market, notional } from "../core/terms";
import type { Quote } from "../exchange/answers";
import { send } from "../exchange/rest";
import { draft, problems, ready, side, type } from "../state/draft";
import { book, bookVersion } from "../state/market";
import { grouped } from "./words";

/** Of a limit order by its price, of a market order by the gateway's quote on the book. */
export function QuoteBox({ terms }: { terms: Market }) {
  const quote = useSignal<Quote | undefined>(undefined);
  const why = useSignal("");
  const isMarket = type.value === "MARKET";
  const wanted = JSON.stringify(draft.value);
  // The book moves all the time: a quote is renewed as it does, twice a second at most.
  const moved = useComputed(() => (isMarket ? Math.floor(bookVersion.value / 5) : 0)).value;
  useEffect(() => {
    if (!isMarket || !ready.value) {
      quote.value = undefined;
      why.value = "";
      return;
    }
    const timer = setTimeout(async () => {
      try {
        quote.value = await send<Quote>("POST", "/api/v1/orders/quote", quoteBody(terms));
        why.value = "";
      } catch (error) {
        quote.value = undefined;
        why.value = error instanceof Error ? error.message : String(error);
      }
    }, 300);
    return () => clearTimeout(timer);
  }, [wanted, isMarket, ready.value, terms.symbol, moved]);
  const lines = isMarket ? marketLines(quote.value, terms) : limitLines(terms);
  return (
    <dl class="pairs quote" aria-label="Quote">
      {lines.map(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name} value`}>{value}</dd>])}
      {why.value && <dd class="down quote-why">{why.value}</dd>}
    </dl>
  );
}

function quoteBody(terms: Market): string {
  const { side: wanted, quantity: size, maxQuote: most } = draft.value;
  const spends = wanted === "BUY";
  return JSON.stringify({ symbol: terms.symbol, side: wanted, ...(spends ? { max_quote: most } : { quantity: size }) });
}

function marketLines(quote: Quote | undefined, terms: Market): [string, string][] {
  return [
    [
      side.value === "BUY" ? "Gets about" : "Sells",
      quote === undefined ? "–" : `${grouped(quote.quantity)} ${terms.base}`,
    ],
    ["Average price", quote === undefined ? "–" : grouped(quote.average_price)],
    ["Worst price", quote === undefined ? "–" : grouped(quote.worst_price)],
    ["Fee", quote === undefined ? "–" : `${grouped(quote.fee)} ${quote.fee_asset}`],
  ];
}

function limitLines(terms: Market): [string, string][] {
  const { price: at, quantity: size, side: wanted } = draft.value;
  const value = problems.value.price === undefined && size !== "" ? notional(at, size, terms) : undefined;
  const takes = wouldTake(at, wanted);
  const rate = takes ? terms.taker_fee : terms.maker_fee;
  const amount = (units: bigint | undefined) =>
    units === undefined ? "–" : `${grouped(formatDecimal(units, terms.quote_decimals), 2)} ${terms.quote}`;
  const fee = value === undefined ? undefined : feeOf(value, rate);
  const total = value === undefined || fee === undefined ? undefined : wanted === "BUY" ? value + fee : value - fee;
  return [
    ["Value", amount(value)],
    [takes ? "Fee as taker, at most" : "Fee as maker", amount(fee)],
    [wanted === "BUY" ? "Costs" : "Brings", amount(total)],
    ["Would", value === undefined ? "–" : takes ? "trade at once" : "rest on the book"],
  ];
}

function wouldTake(at: string, wanted: "BUY" | "SELL"): boolean {
  bookVersion.value; // read, so that the form follows the book
  const best = wanted === "BUY" ? book?.asks[0] : book?.bids[0];
  if (book === undefined || best === undefined || problems.value.price !== undefined) return false;
  const units = parseDecimal(at, book.priceDecimals);
  return wanted === "BUY" ? units >= best.price : units <= best.price;
}
