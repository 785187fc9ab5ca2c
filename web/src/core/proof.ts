// Whether a trade follows from what its two owners signed: checked here, from the records' bytes, trusting nobody.

import type { Fields } from "./commands";
import { parseDecimal } from "./decimal";
import { type SignedCommand, signedOf, wrongWith } from "./signed_command";

export interface ProofRecord {
  role: "MAKER" | "TAKER";
  topic: string;
  partition: number;
  offset: number;
  value: string;
}

interface ProvenTrade {
  trade_id: string;
  price: string;
  quantity: string;
  quote_quantity: string;
  aggressor_side: string;
  taker_order_id: string;
  taker_account: string;
  maker_order_id: string;
  maker_account: string;
}

/** The gateway's answer: records of the taker first, then the maker's order and its amends. */
export interface Proof {
  symbol: string;
  trade: ProvenTrade;
  records: ProofRecord[];
  complete: boolean;
}

/** `wrong` is "" where it holds. */
export interface Check {
  what: string;
  wrong: string;
}

const DIGITS = 18;

interface Opened {
  record: ProofRecord;
  signed: SignedCommand;
  command: Fields;
}

export async function checksOf(proof: Proof): Promise<Check[]> {
  const opened = proof.records.map(open);
  const checks: Check[] = [];
  for (const one of opened) checks.push(await signatureCheck(one, proof));
  return [...checks, ...matchChecks(opened, proof)];
}

function open(record: ProofRecord): Opened {
  const signed = signedOf(record.value);
  if (signed === undefined) throw new Error(`${placeOf(record)} holds no signed command`);
  return { record, signed, command: JSON.parse(signed.command) as Fields };
}

export function placeOf(record: ProofRecord): string {
  return `${record.topic}-${record.partition}@${record.offset}`;
}

async function signatureCheck({ record, signed, command }: Opened, { trade }: Proof): Promise<Check> {
  const owner = record.role === "TAKER" ? trade.taker_account : trade.maker_account;
  const what = `${placeOf(record)}: ${record.role.toLowerCase()}'s ${words(command.command)} signed by its owner`;
  const wrong = await wrongWith(signed);
  return { what, wrong: wrong || (command.account === owner ? "" : `the command is of account ${command.account}`) };
}

function words(name: Fields[string]): string {
  return String(name).replaceAll("_", " ");
}

// --- the match

function matchChecks(opened: Opened[], proof: Proof): Check[] {
  const { trade } = proof;
  const taker = ordered(opened, trade.taker_order_id);
  const maker = ordered(opened, trade.maker_order_id);
  const cause = opened.find(
    ({ record }) => trade.trade_id.startsWith(`${record.partition}-${record.offset}-`) && record.topic === "orders",
  );
  if (taker === undefined || maker === undefined || cause === undefined) {
    return [{ what: "Both orders and the trade's cause are there", wrong: "one is missing" }];
  }
  const amends = opened.filter(({ record, command }) => record.role === "MAKER" && command.command === "amend_order");
  const takes =
    cause.command.command === "amend_order" ? { ...taker.command, ...priceOf(cause.command) } : taker.command;
  return [
    { what: "The cause on orders is what the taker sent", wrong: wrongCause(cause, taker, trade) },
    { what: "Same market, opposite sides", wrong: wrongSides(taker.command, maker.command, proof) },
    { what: "At the price that the maker signed", wrong: wrongMakerPrice(maker.command, amends, proof) },
    { what: "No worse than the taker signed", wrong: wrongTakerPrice(takes, trade) },
    { what: "No more than each of them signed", wrong: wrongQuantity(takes, [maker, ...amends], trade) },
    { what: "Price times quantity is what was paid", wrong: wrongValue(trade) },
  ];
}

/** An order's id is the place of its command in accounts. */
function ordered(opened: Opened[], orderId: string): Opened | undefined {
  return opened.find(
    ({ record, command }) =>
      record.topic === "accounts" &&
      `${record.partition}-${record.offset}` === orderId &&
      command.command === "new_order",
  );
}

function priceOf(amend: Fields): Fields {
  return { quantity: amend.quantity, ...(amend.price !== undefined && { price: amend.price }) };
}

function wrongCause(cause: Opened, taker: Opened, trade: ProvenTrade): string {
  if (cause.signed.command === taker.signed.command) return "";
  const names = cause.command.order_id === trade.taker_order_id;
  const byClientId = cause.command.client_order_id === taker.command.client_order_id;
  return cause.command.command === "amend_order" && (names || byClientId) ? "" : "other bytes stand there";
}

function wrongSides(taker: Fields, maker: Fields, { symbol, trade }: Proof): string {
  if (taker.symbol !== symbol || maker.symbol !== symbol) return "the orders are for other markets";
  if (taker.side === maker.side) return "both are on one side";
  return taker.side === trade.aggressor_side ? "" : "the trade names the other side";
}

function wrongMakerPrice(maker: Fields, amends: Opened[], { trade, complete }: Proof): string {
  const said = [maker.price, ...amends.map(({ command }) => command.price)].filter((price) => price !== undefined);
  if (said.some((price) => units(price) === units(trade.price))) return "";
  return complete ? `it signed ${said.join(", ")}` : "not shown: older amends lie further back on the log";
}

function wrongTakerPrice(taker: Fields, trade: ProvenTrade): string {
  if (taker.price === undefined) return "";
  const better =
    taker.side === "BUY" ? units(trade.price) <= units(taker.price) : units(trade.price) >= units(taker.price);
  return better ? "" : `it signed ${taker.price}`;
}

function wrongQuantity(taker: Fields, makers: Opened[], trade: ProvenTrade): string {
  const traded = units(trade.quantity);
  if (taker.quantity !== undefined && traded > units(taker.quantity)) return `the taker signed ${taker.quantity}`;
  return makers.some(({ command }) => traded <= units(command.quantity)) ? "" : "more than the maker signed";
}

function wrongValue(trade: ProvenTrade): string {
  const exact = units(trade.price) * units(trade.quantity);
  return exact === units(trade.quote_quantity) * 10n ** BigInt(DIGITS) ? "" : "it isn't";
}

function units(text: Fields[string]): bigint {
  return parseDecimal(String(text), DIGITS);
}
