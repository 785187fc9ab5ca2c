// What the gateway answers, as docs/api.md has it.

import type { SelfTrade, Side, TimeInForce } from "../core/commands";
import type { Market } from "../core/terms";

export interface Listed {
  market: Market;
  state: "OPEN" | "CANCEL_ONLY" | "HALTED" | "DELISTED";
  halts: { halt_id: string; reason: string; time_ms: number }[];
}
export interface Markets {
  exchange: string;
  markets: Listed[];
}

export interface Trade {
  sequence: number;
  trade_id: string;
  time_ms: number;
  price: string;
  quantity: string;
  quote_quantity: string;
  aggressor_side: Side;
  taker_order_id: string;
  taker_account: string;
  maker_order_id: string;
  maker_account: string;
}
/** The operator took this trade back. */
export interface Bust {
  type: "busted";
  sequence: number;
}
export interface Trades {
  trades: Trade[];
  more: boolean;
}

export interface Candle {
  open_time_ms: number;
  closed: boolean;
  open: string;
  high: string;
  low: string;
  close: string;
  volume: string;
  trades: number;
}
export interface Candles {
  candles: Candle[];
  more: boolean;
}

export interface Ticker {
  symbol: string;
  last: string | null;
  open: string | null;
  high: string | null;
  low: string | null;
  change: string | null;
  change_percent: string | null;
  volume: string;
  quote_volume: string;
  best_bid: string | null;
  best_ask: string | null;
}

export interface Fill {
  trade_id: string;
  trade_sequence: number;
  price: string;
  quantity: string;
}
export interface Order {
  order_id: string;
  client_order_id: string;
  symbol: string;
  side: Side;
  type: string;
  time_in_force: TimeInForce;
  status: "PENDING" | "OPEN" | "FILLED" | "CANCELLED" | "EXPIRED" | "REJECTED";
  filled: string;
  price?: string;
  quantity?: string;
  max_quote?: string;
  remaining?: string;
  average_price?: string;
  post_only?: boolean;
  self_trade?: SelfTrade;
  valid_until_ms?: number;
  cause?: string;
  created_ms: number;
  trades?: Fill[];
}
export interface OpenOrders {
  orders: Order[];
  next_after: string | null;
}

export interface Balance {
  asset: string;
  free: string;
  reserved: string;
}
export interface Balances {
  balances: Balance[];
}

export interface AccountTrade {
  cursor: string;
  order_id: string;
  symbol: string;
  side: Side;
  role: "MAKER" | "TAKER";
  price: string;
  quantity: string;
  quote_quantity: string;
  fee: string;
  fee_asset: string;
  trade_id: string;
  trade_sequence: number;
  time_ms: number;
}
export interface AccountTrades {
  trades: AccountTrade[];
  more: boolean;
}

export interface StatementLine {
  cursor: string;
  time_ms: number;
  book: string;
  asset: string;
  amount: string;
  balance: string;
  cause: string;
  reference: string;
}
export interface Statement {
  lines: StatementLine[];
  more: boolean;
}

/** An event of the account's journal; which fields it has goes by its name. */
export interface AccountEvent {
  event: string;
  order_id?: string;
  symbol?: string;
  side?: Side;
  price?: string;
  quantity?: string;
  status?: string;
  cause?: string;
  reason?: string;
  detail?: string;
  asset?: string;
  amount?: string;
  remaining?: string;
  role?: string;
  type?: string;
}
interface Execution {
  sequence: number;
  time_ms: number;
  events: AccountEvent[];
}
export interface Executions {
  executions: Execution[];
}

/** What the stream `account` brings: the account as it is, then each entry of its journal. */
export interface AccountSnapshot {
  type: "snapshot";
  sequence: number;
  orders: Order[];
  balances: Balance[];
}
export interface AccountUpdate {
  type: "update";
  sequence: number;
  time_ms: number;
  events: AccountEvent[];
  orders: Order[];
  balances: Balance[];
}
export interface AccountEnded {
  type: "ended";
  code: string;
}

/** What a market order would pay or get now. */
export interface Quote {
  quantity: string;
  quote_quantity: string;
  average_price: string;
  worst_price: string;
  fee: string;
  fee_asset: string;
}

export interface Alert {
  alert_id: string;
  kind: string;
  severity: "NOTICE" | "LATE" | "WRONG";
  symbol: string;
  time_ms: number;
  expected: string;
  found: string;
  evidence: { topic: string; partition: number; offset: number }[];
}
export interface Alerts {
  alerts: Alert[];
  more: boolean;
}
