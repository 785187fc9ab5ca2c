// What the account has and did: orders that stand, its history, fills, balances and statement.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Order } from "../exchange/answers";
import { balances, journal, openOrders, readStatement, standing, statement } from "../state/account";
import { key } from "../state/keys";
import { cancel, cancelAll } from "../state/orders";
import { symbol } from "../state/settings";
import { attempt } from "../state/toasts";
import { dialog, ORDER_TABS, orderTab } from "../state/view";
import { Fills } from "./fills";
import { dayAndClock, grouped, when } from "./words";

export function AccountPanel() {
  const tab = orderTab.value;
  const onlyHere = useSignal(false);
  return (
    <section class="panel orders" aria-label="Account">
      <div class="panel-head">
        <div class="tabs" role="tablist" aria-label="Account">
          {ORDER_TABS.map((one) => (
            <button
              type="button"
              role="tab"
              key={one}
              aria-selected={one === tab}
              onClick={() => {
                orderTab.value = one;
              }}
            >
              {one}
              {one === "Open orders" && openOrders.value.length > 0 && ` ${openOrders.value.length}`}
            </button>
          ))}
        </div>
        <span class="spacer" />
        {tab === "Open orders" && (
          <>
            <label class="check wide-only">
              <input
                type="checkbox"
                checked={onlyHere.value}
                onChange={(event) => {
                  onlyHere.value = event.currentTarget.checked;
                }}
              />
              this market
            </label>
            <button
              type="button"
              class="button small"
              disabled={openOrders.value.length === 0}
              onClick={() => void attempt(() => cancelAll(onlyHere.value ? symbol.value : undefined))}
            >
              Cancel all
            </button>
          </>
        )}
      </div>
      <div class="scroll fill" role="tabpanel" aria-label={tab}>
        {key.value === undefined ? (
          <NoKey />
        ) : standing.value === "absent" ? (
          <NotOpen />
        ) : (
          <Tab onlyHere={onlyHere.value} />
        )}
      </div>
    </section>
  );
}

function Tab({ onlyHere }: { onlyHere: boolean }) {
  switch (orderTab.value) {
    case "Open orders":
      return <OpenOrders onlyHere={onlyHere} />;
    case "History":
      return <History />;
    case "Fills":
      return <Fills />;
    case "Balances":
      return <BalanceTable />;
    case "Statement":
      return <StatementTable />;
  }
}

function NoKey() {
  return (
    <div class="nothing">
      <p>Your key is made in this browser and never leaves it. With it you sign your orders.</p>
      <button type="button" class="button primary" onClick={() => (dialog.value = { kind: "keys" })}>
        Start trading
      </button>
    </div>
  );
}

function NotOpen() {
  return (
    <div class="nothing">
      <p>The exchange has no account of this key yet.</p>
      <button type="button" class="button primary" onClick={() => (dialog.value = { kind: "keys" })}>
        Open it
      </button>
    </div>
  );
}

function OpenOrders({ onlyHere }: { onlyHere: boolean }) {
  const shown = openOrders.value.filter((order) => !onlyHere || order.symbol === symbol.value);
  if (shown.length === 0) return <p class="nothing">No open orders.</p>;
  return (
    <table class="table">
      <thead>
        <tr>
          <th>Time</th>
          <th>Market</th>
          <th>Side</th>
          <th class="number">Price</th>
          <th class="number">Filled / quantity</th>
          <th class="wide-cell">In force</th>
          <th>
            <span class="hidden-text">What can be done</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {shown.map((order) => (
          <OpenOrder key={order.order_id} order={order} />
        ))}
      </tbody>
    </table>
  );
}

function OpenOrder({ order }: { order: Order }) {
  return (
    <tr>
      <td class="muted" title={dayAndClock(order.created_ms)}>
        {when(order.created_ms)}
      </td>
      <td>{order.symbol}</td>
      <td class={order.side === "BUY" ? "up" : "down"}>{order.side}</td>
      <td class="number">{grouped(order.price)}</td>
      <td class="number">
        {grouped(order.filled)} / {grouped(order.quantity)}
      </td>
      <td class="wide-cell">
        {order.time_in_force}
        {order.post_only && " post only"}
      </td>
      <td class="number actions">
        <button type="button" class="button small" onClick={() => (dialog.value = { kind: "amend", order })}>
          Amend
        </button>{" "}
        <button type="button" class="button small" onClick={() => void attempt(() => cancel(order))}>
          Cancel
        </button>
      </td>
    </tr>
  );
}

const EVENT_WORDS: Record<string, string> = {
  order_opened: "order accepted",
  order_rested: "rests on the book",
  order_filled: "filled",
  order_decremented: "taken down by self-trade prevention",
  order_amended: "amended",
  order_closed: "closed",
  command_passed: "sent on to the matcher",
  command_refused: "refused",
  command_repeated: "a repeat of what came before",
  account_registered: "account opened",
  key_delegated: "trade key added",
  key_revoked: "trade key revoked",
  deposited: "deposit",
  withdrawal_opened: "withdrawal reserved",
  withdrawal_closed: "withdrawal settled",
  trade_reversed: "trade taken back by the operator",
  mandate_armed: "all is cancelled later, unless this is renewed",
  mandate_disarmed: "nothing is cancelled by itself any more",
  mandate_fired: "all was cancelled, as asked for",
};

function History() {
  const rows = journal.value.flatMap((entry) =>
    entry.events.map((event, index) => ({ event, timeMs: entry.timeMs, id: `${entry.sequence} ${index}` })).reverse(),
  );
  if (rows.length === 0) return <p class="nothing">Nothing has happened on this account yet.</p>;
  return (
    <table class="table">
      <thead>
        <tr>
          <th>Time</th>
          <th>What</th>
          <th>Order</th>
          <th>Market</th>
          <th class="number">Price</th>
          <th class="number">Quantity</th>
          <th>Why</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ event, timeMs, id }) => (
          <tr key={id}>
            <td class="muted" title={dayAndClock(timeMs)}>
              {when(timeMs)}
            </td>
            <td>
              {EVENT_WORDS[event.event] ?? event.event}
              {event.status && ` ${event.status.toLowerCase()}`}
            </td>
            <td class="mono">{event.order_id}</td>
            <td>{event.symbol ?? event.asset}</td>
            <td class="number">{grouped(event.price)}</td>
            <td class="number">{grouped(event.quantity ?? event.amount ?? event.remaining)}</td>
            <td class="muted">{event.reason ?? event.cause ?? event.detail}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function BalanceTable() {
  if (balances.value.length === 0) return <p class="nothing">Nothing has been booked onto this account yet.</p>;
  return (
    <table class="table">
      <thead>
        <tr>
          <th>Asset</th>
          <th class="number">Free</th>
          <th class="number">In orders</th>
        </tr>
      </thead>
      <tbody>
        {balances.value.map((one) => (
          <tr key={one.asset}>
            <td>{one.asset}</td>
            <td class="number">{grouped(one.free)}</td>
            <td class="number">{grouped(one.reserved)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function StatementTable() {
  const newest = journal.value[0]?.sequence;
  useEffect(() => void attempt(readStatement), [newest]);
  if (statement.value.length === 0) return <p class="nothing">No posting yet.</p>;
  return (
    <table class="table">
      <thead>
        <tr>
          <th>Time</th>
          <th>Book</th>
          <th>Asset</th>
          <th class="number">Amount</th>
          <th class="number">Balance</th>
          <th>Cause</th>
          <th>Reference</th>
        </tr>
      </thead>
      <tbody>
        {statement.value.map((line) => (
          <tr key={line.cursor}>
            <td class="muted" title={dayAndClock(line.time_ms)}>
              {when(line.time_ms)}
            </td>
            <td>{line.book}</td>
            <td>{line.asset}</td>
            <td class={`number ${line.amount.startsWith("-") ? "down" : "up"}`}>{grouped(line.amount)}</td>
            <td class="number">{grouped(line.balance)}</td>
            <td>{line.cause.replaceAll("_", " ")}</td>
            <td class="mono">{line.reference}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
