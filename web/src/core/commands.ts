// Commands and their canonical bytes, as docs/signing.md has them: fields in their order, defaults left out.

export type Side = "BUY" | "SELL";
export type OrderType = "LIMIT" | "MARKET";
export type TimeInForce = "GTC" | "IOC" | "FOK" | "GTD";
export type SelfTrade = "EXPIRE_TAKER" | "EXPIRE_MAKER" | "EXPIRE_BOTH" | "DECREMENT";

/** A command's fields but for those that every command of an account begins with. */
export interface NewOrder {
  command: "new_order";
  client_order_id: string;
  symbol: string;
  side: Side;
  type: OrderType;
  time_in_force: TimeInForce;
  price?: string;
  quantity?: string;
  max_quote?: string;
  valid_until_ms?: number;
  post_only?: boolean;
  self_trade?: SelfTrade;
}
interface CancelOrder {
  command: "cancel_order";
  order_id: string;
}
interface AmendOrder {
  command: "amend_order";
  order_id: string;
  quantity: string;
  price?: string;
}
interface CancelAll {
  command: "cancel_all";
  symbol?: string;
}
export type AccountCommand = NewOrder | CancelOrder | AmendOrder | CancelAll;

const STAMP = ["exchange", "account", "nonce", "time_ms", "deadline_ms"];
const FIELDS: Record<string, string[]> = {
  new_order: [
    ...STAMP,
    "client_order_id",
    "symbol",
    "side",
    "type",
    "time_in_force",
    "price",
    "quantity",
    "max_quote",
    "valid_until_ms",
    "post_only",
    "self_trade",
  ],
  cancel_order: [...STAMP, "order_id", "client_order_id"],
  amend_order: [...STAMP, "order_id", "client_order_id", "quantity", "price"],
  cancel_all: [...STAMP, "symbol"],
  delegate_key: [...STAMP, "trade_key", "valid_until_ms"],
  register_account: ["exchange", "root_key", "time_ms"],
};
const DEFAULTS: Record<string, unknown> = { post_only: false, self_trade: "EXPIRE_TAKER" };
const PRINTABLE = /^[\x20-\x7e]*$/;
const MAX_BYTES = 4096;

export type Fields = Record<string, string | number | boolean | null | undefined>;

/** The command's text as it is signed. Throws for what no canonical form exists of. */
export function canonicalText(command: Fields): string {
  const fields = FIELDS[String(command.command)];
  if (fields === undefined) throw new Error(`unknown command ${String(command.command)}`);
  const ordered: Fields = { command: command.command };
  for (const name of fields) {
    const value = command[name];
    if (value === null) throw new Error("null stands for no field");
    if (value !== undefined && value !== DEFAULTS[name]) ordered[name] = value;
  }
  const unknown = Object.keys(command).find((name) => name !== "command" && !fields.includes(name));
  if (unknown !== undefined) throw new Error(`unknown field ${unknown}`);
  const text = JSON.stringify(ordered);
  if (!PRINTABLE.test(text)) throw new Error("only printable ASCII can be signed");
  if (text.length > MAX_BYTES) throw new Error("a command has at most 4,096 bytes");
  return text;
}

/** Whether these are the bytes that the command's signature is made over: nothing in them can be read in two ways. */
export function isCanonical(text: string): boolean {
  try {
    return canonicalText(JSON.parse(text) as Fields) === text;
  } catch {
    return false;
  }
}
