// Where an order is written, signed and sent.

import { useSignal } from "@preact/signals";
import type { SelfTrade, TimeInForce } from "../core/commands";
import { formatDecimal, parseDecimal } from "../core/decimal";
import { affordable, type FieldName, type Market, priceDecimals, wholeLots } from "../core/terms";
import type { Order } from "../exchange/answers";
import { exchangeNowMs } from "../exchange/rest";
import { freeOf, standing } from "../state/account";
import {
  commandOf,
  expiryMinutes,
  expiryProblem,
  maxQuote,
  postOnly,
  price,
  problems,
  quantity,
  ready,
  selfTrade,
  side,
  timeInForce,
  type,
} from "../state/draft";
import { key, session } from "../state/keys";
import { listed, market } from "../state/market";
import { attempt, say } from "../state/toasts";
import { dialog } from "../state/view";
import { GetFunds } from "./funds";
import { Holdings } from "./holdings";
import { QuoteBox } from "./quote_box";
import { cut, grouped } from "./words";

const TIMES: Record<TimeInForce, string> = {
  GTC: "Good till cancelled",
  IOC: "Immediate or cancel",
  FOK: "Fill or kill",
  GTD: "Good till a time",
};
const SELF_TRADES: Record<SelfTrade, string> = {
  EXPIRE_TAKER: "expire this order",
  EXPIRE_MAKER: "expire the resting one",
  EXPIRE_BOTH: "expire both",
  DECREMENT: "take both down",
};
const SHARES = [25, 50, 75, 100];

export function OrderForm() {
  const terms = market.value;
  return (
    <section class="panel form" aria-label="Order">
      <div class="scroll fill form-body">{terms !== undefined && <Fields terms={terms} />}</div>
      {terms !== undefined && <Holdings terms={terms} />}
    </section>
  );
}

function Fields({ terms }: { terms: Market }) {
  const tried = useSignal(false);
  const sending = useSignal(false);
  const isLimit = type.value === "LIMIT";
  const buys = side.value === "BUY";
  const submit = async (event: Event) => {
    event.preventDefault();
    tried.value = true;
    if (!ready.value || sending.value) return;
    sending.value = true;
    if (await attempt(() => place(terms))) tried.value = false;
    sending.value = false;
  };
  return (
    <form onSubmit={submit} noValidate>
      <div class="segments">
        <Choice on={buys} tone="buy" label="Buy" pick={() => (side.value = "BUY")} />
        <Choice on={!buys} tone="sell" label="Sell" pick={() => (side.value = "SELL")} />
      </div>
      <div class="segments">
        <Choice on={isLimit} label="Limit" pick={() => (type.value = "LIMIT")} />
        <Choice on={!isLimit} label="Market" pick={() => (type.value = "MARKET")} />
      </div>
      <Free terms={terms} />
      {isLimit && <NumberField id="price" label="Price" unit={terms.quote} value={price} tried={tried.value} />}
      {!isLimit && buys ? (
        <NumberField id="maxQuote" label="Spend at most" unit={terms.quote} value={maxQuote} tried={tried.value} />
      ) : (
        <NumberField id="quantity" label="Quantity" unit={terms.base} value={quantity} tried={tried.value} />
      )}
      <div class="shares">
        {SHARES.map((share) => (
          <button type="button" key={share} class="button small" onClick={() => takeShare(share, terms)}>
            {share}%
          </button>
        ))}
      </div>
      <Terms isLimit={isLimit} />
      <QuoteBox terms={terms} />
      <Submit terms={terms} sending={sending.value} />
    </form>
  );
}

function Choice(props: { on: boolean; label: string; tone?: "buy" | "sell"; pick: () => void }) {
  return (
    <button type="button" class={props.tone ?? ""} aria-pressed={props.on} onClick={props.pick}>
      {props.label}
    </button>
  );
}

function NumberField(props: { id: FieldName; label: string; unit: string; value: { value: string }; tried: boolean }) {
  const { id, label, unit, value, tried } = props;
  const problem = problems.value[id] ?? "";
  const shown = problem !== "" && (tried || value.value !== "") ? problem : "";
  return (
    <div>
      <label class={`field ${shown ? "wrong" : ""}`}>
        <span>{label}</span>
        <input
          id={id}
          inputMode="decimal"
          autocomplete="off"
          placeholder="0"
          value={value.value}
          aria-invalid={shown !== ""}
          aria-describedby={`${id}-note`}
          onInput={(event) => {
            value.value = event.currentTarget.value;
          }}
        />
        <span>{unit}</span>
      </label>
      <p id={`${id}-note`} class="field-note down" role={shown ? "alert" : undefined}>
        {shown}
      </p>
    </div>
  );
}

function Free({ terms }: { terms: Market }) {
  const asset = side.value === "BUY" ? terms.quote : terms.base;
  const free = freeOf(asset);
  return (
    <p class="free">
      <span class="muted">Free</span>
      <span>
        {grouped(free)} {asset}
      </span>
      <GetFunds terms={terms} />
    </p>
  );
}

/** A share of what is free, in whole lots and with room for the fee. */
function takeShare(share: number, terms: Market): void {
  const free = freeOf(side.value === "BUY" ? terms.quote : terms.base);
  const part = formatDecimal((parseDecimal(free, 18) * BigInt(share)) / 100n, 18);
  if (side.value === "SELL") quantity.value = wholeLots(parseDecimal(part, 18), terms);
  else if (type.value === "MARKET") {
    const cut = 10n ** BigInt(18 - terms.quote_decimals);
    maxQuote.value = formatDecimal(parseDecimal(part, 18) / cut, terms.quote_decimals);
  } else if (problems.value.price === undefined) quantity.value = affordable(part, price.value.trim(), terms);
  else say("plain", "Give a price first", "How much it buys goes by the price.");
}

function Terms({ isLimit }: { isLimit: boolean }) {
  const times = isLimit ? (Object.keys(TIMES) as TimeInForce[]) : (["IOC", "FOK"] as TimeInForce[]);
  const chosen = times.includes(timeInForce.value) ? timeInForce.value : "IOC";
  return (
    <div class="terms">
      <label class="field">
        <span>In force</span>
        <select value={chosen} onChange={(event) => (timeInForce.value = event.currentTarget.value as TimeInForce)}>
          {times.map((one) => (
            <option key={one} value={one}>
              {TIMES[one]}
            </option>
          ))}
        </select>
      </label>
      {isLimit && chosen === "GTD" && (
        <div>
          <label class={`field ${expiryProblem.value ? "wrong" : ""}`}>
            <span>For</span>
            <input
              inputMode="decimal"
              value={expiryMinutes.value}
              onInput={(event) => (expiryMinutes.value = event.currentTarget.value)}
            />
            <span>minutes</span>
          </label>
          <p class="field-note down">{expiryProblem.value}</p>
        </div>
      )}
      <label class="field">
        <span>Self-trade</span>
        <select
          value={selfTrade.value}
          onChange={(event) => (selfTrade.value = event.currentTarget.value as SelfTrade)}
        >
          {(Object.keys(SELF_TRADES) as SelfTrade[]).map((one) => (
            <option key={one} value={one}>
              {SELF_TRADES[one]}
            </option>
          ))}
        </select>
      </label>
      {isLimit && (
        <label class="check">
          <input
            type="checkbox"
            checked={postOnly.value}
            onChange={(event) => (postOnly.value = event.currentTarget.checked)}
          />
          Post only: never take
        </label>
      )}
    </div>
  );
}

function Submit({ terms, sending }: { terms: Market; sending: boolean }) {
  const state = listed.value?.state;
  if (key.value === undefined || standing.value === "absent") {
    return (
      <button type="button" class="button primary wide" onClick={() => (dialog.value = { kind: "keys" })}>
        {key.value === undefined ? "Make a key to trade" : "Open the account to trade"}
      </button>
    );
  }
  const buys = side.value === "BUY";
  return (
    <button type="submit" class={`button wide ${buys ? "buy" : "sell"}`} disabled={sending || state !== "OPEN"}>
      {state === "OPEN" ? `${buys ? "Buy" : "Sell"} ${terms.base}` : `Market is ${state?.toLowerCase()}`}
    </button>
  );
}

/** An average may have more decimals than the tick: two of them are enough to read. */
function rounded(average: string, terms: Market): string {
  return cut(parseDecimal(average, 18), 18, priceDecimals(terms) + 2).replace(/0{1,2}$/, "");
}

async function place(terms: Market): Promise<void> {
  const own = session.value;
  if (own === undefined) throw new Error("there is no key yet");
  const order = await own.send<Order>("POST", "/api/v1/orders", commandOf(terms, exchangeNowMs()));
  const filled = order.filled !== undefined && order.filled !== "0" ? `, filled ${order.filled}` : "";
  const average = order.average_price ? ` at ${rounded(order.average_price, terms)}` : "";
  const status = order.status === undefined ? "sent, no outcome yet" : order.status.toLowerCase();
  const tone = order.status === "EXPIRED" && filled === "" ? "plain" : "good";
  say(
    tone,
    `${side.value === "BUY" ? "Buy" : "Sell"} order ${status}${filled}${average}`,
    order.cause ?? order.order_id,
  );
}
