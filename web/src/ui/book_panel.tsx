// The book as a ladder, and under it the tape of trades.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Book } from "../core/book";
import { formatDecimal, formatFixed, parseDecimal } from "../core/decimal";
import { ladderRows, type Row, spread, steps, stepText } from "../core/ladder";
import { type Market, priceDecimals, quantityDecimals } from "../core/terms";
import { openOrders } from "../state/account";
import { takePrice } from "../state/draft";
import { book, bookVersion, market, trades } from "../state/market";
import { grouping } from "../state/settings";
import { clock, cut, grouped } from "./words";

const ROW_PX = 20;
const QUANTITY_DECIMALS = 5;

export function BookPanel() {
  const terms = market.value;
  return (
    <section class="book stack" aria-label="Order book and trades">
      <div class="panel ladder-panel">{terms !== undefined && <Ladder terms={terms} />}</div>
      <div class="panel tape-panel">{terms !== undefined && <Tape terms={terms} />}</div>
    </section>
  );
}

function Ladder({ terms }: { terms: Market }) {
  const frame = useRef<HTMLDivElement>(null);
  const count = useSignal(12);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) count.value = Math.max(3, Math.floor((entry.contentRect.height / ROW_PX - 1.6) / 2));
    });
    observer.observe(frame.current as HTMLElement);
    return () => observer.disconnect();
  }, []);
  const tick = parseDecimal(terms.tick, priceDecimals(terms));
  const choices = steps(tick);
  const step = choices[Math.min(grouping.value, choices.length - 1)] as bigint;
  return (
    <>
      <div class="panel-head">
        <h2 class="panel-title">Book</h2>
        <span class="spacer" />
        <label class="quiet-select">
          <span class="hidden-text">Group prices by</span>
          <select
            value={Math.min(grouping.value, choices.length - 1)}
            onChange={(event) => {
              grouping.value = Number(event.currentTarget.value);
            }}
          >
            {choices.map((choice, index) => (
              <option key={index} value={index}>
                {stepText(choice, priceDecimals(terms))}
              </option>
            ))}
          </select>
        </label>
      </div>
      <div class="ladder-line ladder-names muted">
        <span>Price {terms.quote}</span>
        <span>{terms.base}</span>
        <span>Total</span>
      </div>
      <div class="fill ladder" ref={frame}>
        {book !== undefined && <Rows book={book} terms={terms} step={step} count={count.value} />}
      </div>
    </>
  );
}

function Rows(props: { book: Book; terms: Market; step: bigint; count: number }) {
  const { book, terms, step, count } = props;
  bookVersion.value; // read, so that this is painted again when the book has changed
  const asks = ladderRows(book.asks, "ask", step, count);
  const bids = ladderRows(book.bids, "bid", step, count);
  const most = [asks.at(-1)?.cumulative ?? 0n, bids.at(-1)?.cumulative ?? 0n].reduce((a, b) => (a > b ? a : b), 1n);
  const mine = new Set(
    openOrders.value
      .filter((order) => order.symbol === terms.symbol && order.price !== undefined)
      .map((order) => `${order.side}${rowPrice(order.price as string, order.side, terms, step)}`),
  );
  const shared = { terms, most };
  return (
    <>
      <div class="ladder-half ladder-asks">
        {asks.map((row, index) => (
          <LadderRow key={index} row={row} side="ask" own={mine.has(`SELL${row.price}`)} {...shared} />
        ))}
      </div>
      <SpreadLine book={book} terms={terms} />
      <div class="ladder-half">
        {bids.map((row, index) => (
          <LadderRow key={index} row={row} side="bid" own={mine.has(`BUY${row.price}`)} {...shared} />
        ))}
      </div>
    </>
  );
}

/** The price of the row in which an own order stands. */
function rowPrice(price: string, side: string, terms: Market, step: bigint): bigint {
  const units = parseDecimal(price, priceDecimals(terms));
  const over = units % step;
  return over === 0n || side === "BUY" ? units - over : units - over + step;
}

function LadderRow(props: { row: Row; side: "bid" | "ask"; terms: Market; most: bigint; own: boolean }) {
  const { row, side, terms, most, own } = props;
  const digits = priceDecimals(terms);
  const share = Number((row.cumulative * 1000n) / most) / 1000;
  const lots = quantityDecimals(terms);
  const text = formatDecimal(row.price, digits);
  return (
    <button
      type="button"
      class={`ladder-line ladder-row ${side}`}
      title={own ? "One of your orders stands here" : undefined}
      aria-label={`${side} ${text}, ${formatDecimal(row.quantity, lots)}`}
      tabIndex={-1}
      onClick={() => takePrice(text)}
    >
      <span class="ladder-bar" style={{ transform: `scaleX(${share})` }} />
      <span class={side === "bid" ? "up" : "down"}>
        {own && <span class="own-mark">▸</span>}
        {formatFixed(row.price, digits)}
      </span>
      <span>{cut(row.quantity, lots, QUANTITY_DECIMALS)}</span>
      <span class="muted">{cut(row.cumulative, lots, QUANTITY_DECIMALS)}</span>
    </button>
  );
}

function SpreadLine({ book, terms }: { book: Book; terms: Market }) {
  bookVersion.value;
  const last = trades.value[0];
  const between = spread(book.bids, book.asks);
  const best = book.asks[0];
  const digits = priceDecimals(terms);
  const points =
    between === undefined || best === undefined ? undefined : Number((between * 1_000_000n) / best.price) / 100;
  return (
    <div class="spread-line">
      <strong class={last === undefined ? "muted" : last.aggressor_side === "BUY" ? "up" : "down"}>
        {grouped(last?.price, digits)} {last === undefined ? "" : last.aggressor_side === "BUY" ? "↑" : "↓"}
      </strong>
      <span class="muted">
        Spread {between === undefined ? "–" : formatFixed(between, digits)}
        {points !== undefined && ` · ${points.toFixed(1)} bp`}
      </span>
    </div>
  );
}

function Tape({ terms }: { terms: Market }) {
  const digits = priceDecimals(terms);
  const lots = quantityDecimals(terms);
  return (
    <>
      <div class="panel-head">
        <h2 class="panel-title">Trades</h2>
      </div>
      <div class="scroll fill">
        {trades.value.length === 0 && <p class="nothing">No trade yet.</p>}
        {trades.value.map((trade) => (
          <button
            type="button"
            key={trade.sequence}
            class="ladder-line tape-line"
            tabIndex={-1}
            title={`Trade ${trade.trade_id}`}
            onClick={() => takePrice(trade.price)}
          >
            <span class={trade.aggressor_side === "BUY" ? "up" : "down"}>
              {formatFixed(parseDecimal(trade.price, digits), digits)}
            </span>
            <span>{cut(parseDecimal(trade.quantity, lots), lots, QUANTITY_DECIMALS)}</span>
            <span class="muted">{clock(trade.time_ms)}</span>
          </button>
        ))}
      </div>
    </>
  );
}
