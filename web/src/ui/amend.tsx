// Another quantity or price for an order that stands.

import { useSignal } from "@preact/signals";
import { problemsOf } from "../core/terms";
import type { Order } from "../exchange/answers";
import { markets } from "../state/market";
import { amend } from "../state/orders";
import { attempt } from "../state/toasts";
import { closeDialog } from "./dialogs";
import { grouped } from "./words";

export function AmendDialog({ order }: { order: Order }) {
  const price = useSignal(order.price ?? "");
  const quantity = useSignal(order.quantity ?? "");
  const sending = useSignal(false);
  const terms = markets.value.find((one) => one.market.symbol === order.symbol)?.market;
  if (terms === undefined) return null;
  const draft = { side: order.side, type: "LIMIT" as const, maxQuote: "" };
  const problems = problemsOf({ ...draft, price: price.value.trim(), quantity: quantity.value.trim() }, terms);
  const wrong = problems.price ?? problems.quantity ?? "";
  const submit = async (event: Event) => {
    event.preventDefault();
    if (wrong) return;
    sending.value = true;
    const done = await attempt(() => amend(order, quantity.value.trim(), price.value.trim()));
    sending.value = false;
    if (done) closeDialog();
  };
  return (
    <form onSubmit={submit} class="stack" noValidate>
      <p class="muted">
        {order.side} {order.symbol}, order <span class="mono">{order.order_id}</span>, filled {grouped(order.filled)}.
        Less quantity at the same price keeps its place in the queue.
      </p>
      <label class="field">
        <span>Price</span>
        <input
          id="amend-price"
          inputMode="decimal"
          value={price.value}
          onInput={(event) => {
            price.value = event.currentTarget.value;
          }}
        />
        <span>{terms.quote}</span>
      </label>
      <label class="field">
        <span>Quantity, with what is filled</span>
        <input
          id="amend-quantity"
          inputMode="decimal"
          value={quantity.value}
          onInput={(event) => {
            quantity.value = event.currentTarget.value;
          }}
        />
        <span>{terms.base}</span>
      </label>
      <p class="field-note down" role="alert">
        {wrong}
      </p>
      <button type="submit" class="button primary wide" disabled={sending.value || wrong !== ""}>
        Sign and amend
      </button>
    </form>
  );
}
