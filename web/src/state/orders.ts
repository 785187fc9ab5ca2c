// What is done to orders that stand: cancelled, amended, all cancelled.

import type { Order } from "../exchange/answers";
import { openOrders } from "./account";
import { session } from "./keys";
import { say } from "./toasts";

export async function cancel(order: Order): Promise<void> {
  const own = session.value;
  if (own === undefined) return;
  const path = `/api/v1/orders/${order.order_id}/cancel`;
  await own.send("POST", path, { command: "cancel_order", order_id: order.order_id });
  say("plain", "Order cancelled", `${order.side} ${order.symbol} ${order.order_id}`);
}

export async function amend(order: Order, quantity: string, price: string): Promise<void> {
  const own = session.value;
  if (own === undefined) return;
  const priced = price === order.price ? {} : { price };
  const command = { command: "amend_order" as const, order_id: order.order_id, quantity, ...priced };
  await own.send("POST", `/api/v1/orders/${order.order_id}/amend`, command);
  say("good", "Order amended", `${order.symbol}: ${quantity} at ${price}`);
}

export async function cancelAll(symbol?: string): Promise<void> {
  const own = session.value;
  if (own === undefined || openOrders.value.length === 0) return;
  const command = { command: "cancel_all" as const, ...(symbol !== undefined && { symbol }) };
  const done = await own.send<{ orders?: unknown[] }>("POST", "/api/v1/orders/cancel", command);
  const count = done.orders?.length ?? 0;
  say("plain", `${count} order${count === 1 ? "" : "s"} cancelled`, symbol ?? "on all markets");
}
