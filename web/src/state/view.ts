// What is open on the page just now: the dialog in front, the phone's one panel, the tab of the orders.

import { signal } from "@preact/signals";
import type { AccountTrade, Order } from "../exchange/answers";

type Dialog =
  | { kind: "keys" }
  | { kind: "shortcuts" }
  | { kind: "canary" }
  | { kind: "proof"; fill: AccountTrade }
  | { kind: "amend"; order: Order }
  | { kind: "about" };

export const dialog = signal<Dialog | undefined>(undefined);

export const PHONE_VIEWS = ["markets", "chart", "book", "form", "orders"] as const;
export type PhoneView = (typeof PHONE_VIEWS)[number];
export const phoneView = signal<PhoneView>("chart");

/** On middling screens the list of markets comes over the rest when it is asked for. */
export const marketsShown = signal(false);

export const ORDER_TABS = ["Open orders", "History", "Fills", "Balances", "Statement"] as const;
type OrderTab = (typeof ORDER_TABS)[number];
export const orderTab = signal<OrderTab>("Open orders");
