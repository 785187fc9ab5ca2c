// A trade's proof, made here from whole: each way to alter it is found.

import { beforeAll, describe, expect, test } from "vitest";
import { utf8 } from "../src/core/bytes";
import { canonicalText, type Fields } from "../src/core/commands";
import { checksOf, type Proof, type ProofRecord } from "../src/core/proof";
import { newKey, type StoredKey, sign } from "../src/exchange/key_ring";

let maker: StoredKey;
let taker: StoredKey;
let proof: Proof;

async function record(key: StoredKey, role: "MAKER" | "TAKER", place: string, command: Fields): Promise<ProofRecord> {
  const stamp = { exchange: "test", account: key.account, nonce: 1, time_ms: 1, deadline_ms: 2 };
  const text = canonicalText({ ...stamp, ...command });
  const signature = await sign(key, utf8(text));
  const [topic = "", partition, offset] = place.split(" ");
  const value = `{"record":"submitted","signed":{"command":${text},"key":"${key.publicText}","signature":"${signature}"}}`;
  return { role, topic, partition: Number(partition), offset: Number(offset), value };
}

function order(side: "BUY" | "SELL", price: string, quantity: string): Fields {
  const id = `${side}-1`;
  const terms = { symbol: "A-B", side, type: "LIMIT", time_in_force: "GTC", price, quantity };
  return { command: "new_order", client_order_id: id, ...terms };
}

beforeAll(async () => {
  maker = (await newKey(false)).key;
  taker = (await newKey(false)).key;
  const placed = await record(taker, "TAKER", "accounts 0 5", order("BUY", "10.5", "3"));
  proof = {
    symbol: "A-B",
    trade: {
      trade_id: "7-9-0",
      price: "10.25",
      quantity: "2",
      quote_quantity: "20.5",
      aggressor_side: "BUY",
      taker_order_id: "0-5",
      taker_account: taker.account,
      maker_order_id: "1-4",
      maker_account: maker.account,
    },
    records: [
      placed,
      { ...placed, topic: "orders", partition: 7, offset: 9 },
      await record(maker, "MAKER", "accounts 1 4", order("SELL", "11", "2")),
      await record(maker, "MAKER", "orders 7 8", {
        command: "amend_order",
        order_id: "1-4",
        quantity: "2",
        price: "10.25",
      }),
    ],
    complete: true,
  };
});

const wrong = async (altered: Proof) =>
  (await checksOf(altered)).filter((check) => check.wrong !== "").map((check) => check.what);
const trade = (change: Partial<Proof["trade"]>): Proof => ({ ...proof, trade: { ...proof.trade, ...change } });

test("an honest one holds", async () => {
  expect(await wrong(proof)).toEqual([]);
  expect(await checksOf(proof)).toHaveLength(10);
});

describe("is refused", () => {
  test("at another price than the maker's", async () => {
    expect(await wrong(trade({ price: "10.3", quote_quantity: "20.6" }))).toEqual([
      "At the price that the maker signed",
    ]);
  });
  test("at a worse price than the taker's", async () => {
    expect(await wrong(trade({ price: "11", quote_quantity: "22" }))).toEqual(["No worse than the taker signed"]);
  });
  test("with more than was signed, or paid otherwise", async () => {
    expect(await wrong(trade({ quantity: "4", quote_quantity: "41" }))).toEqual(["No more than each of them signed"]);
    expect(await wrong(trade({ quote_quantity: "20.51" }))).toEqual(["Price times quantity is what was paid"]);
  });
  test("for another market, side, account or order", async () => {
    expect(await wrong({ ...proof, symbol: "C-D" })).toEqual(["Same market, opposite sides"]);
    expect(await wrong(trade({ aggressor_side: "SELL" }))).toEqual(["Same market, opposite sides"]);
    expect(await wrong(trade({ maker_account: taker.account }))).toHaveLength(2);
    expect(await wrong(trade({ maker_order_id: "1-5" }))).toEqual(["Both orders and the trade's cause are there"]);
  });
  test("when a byte of a command was changed behind its signature", async () => {
    const records = proof.records.map((one, index) =>
      index === 2 ? { ...one, value: one.value.replace('"quantity":"2"', '"quantity":"9"') } : one,
    );
    expect(await wrong({ ...proof, records })).toEqual(["accounts-1@4: maker's new order signed by its owner"]);
  });
  test("when the cause is another command", async () => {
    const cause = await record(taker, "TAKER", "orders 7 9", order("BUY", "12", "3"));
    const records = proof.records.map((one, index) => (index === 1 ? cause : one));
    expect(await wrong({ ...proof, records })).toEqual(["The cause on orders is what the taker sent"]);
  });
});

test("says so when older amends are out of reach", async () => {
  const records = proof.records.slice(0, 3);
  const [check] = (await checksOf({ ...proof, records, complete: false })).filter((one) => one.wrong !== "");
  expect(check?.wrong).toContain("further back");
});
