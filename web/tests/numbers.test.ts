import { describe, expect, test } from "vitest";
import { BadDecimal, decimalsOf, floorDivide, formatDecimal, formatGrouped, parseDecimal } from "../src/core/decimal";
import { rawMember } from "../src/core/raw_json";
import { affordable, type Draft, feeOf, type Market, notional, problemsOf } from "../src/core/terms";

const market: Market = {
  symbol: "BTC-USDT",
  base: "BTC",
  quote: "USDT",
  base_decimals: 8,
  quote_decimals: 8,
  tick: "0.05",
  lot: "0.001",
  min_quantity: "0.001",
  max_quantity: "100",
  min_notional: "5",
  price_low: "1",
  price_high: "1000000",
  maker_fee: "0.0002",
  taker_fee: "0.0005",
  partition: 9,
};
const draft: Draft = { side: "BUY", type: "LIMIT", price: "100", quantity: "1", maxQuote: "" };

describe("decimals", () => {
  test("are exact where floats are not", () => {
    expect(parseDecimal("0.1", 18) + parseDecimal("0.2", 18)).toBe(parseDecimal("0.3", 18));
    expect(parseDecimal("9007199254740993.5", 1)).toBe(90071992547409935n);
  });
  test.each(["", ".", "1.", ".5", "1e3", "1,5", " 1", "0x1", "--1", "1.2.3", "٣"])("refuse %j", (text) => {
    expect(() => parseDecimal(text, 8)).toThrow(BadDecimal);
  });
  test("refuse what is finer than they are", () => {
    expect(() => parseDecimal("1.001", 2)).toThrow("more than 2 decimals");
    expect(parseDecimal("1.10", 1)).toBe(11n);
  });
  test.each([
    [1250n, 2, "12.5"],
    [-5n, 3, "-0.005"],
    [100n, 2, "1"],
    [100n, 0, "100"],
    [0n, 2, "0"],
  ])("%s with %s decimals is %s", (units, decimals, text) => {
    expect(formatDecimal(units, decimals)).toBe(text);
    expect(parseDecimal(text, decimals)).toBe(units);
  });
  test("are grouped for people", () => {
    expect(formatGrouped(123456789n, 2)).toBe("1,234,567.89");
    expect(formatGrouped(-1000n, 0)).toBe("-1,000");
    expect(formatGrouped(123456n, 6)).toBe("0.123456");
  });
  test("know their length, and round down below zero", () => {
    expect([decimalsOf("0.010"), decimalsOf("5")]).toEqual([2, 0]);
    expect([floorDivide(-7n, 2n), floorDivide(7n, 2n)]).toEqual([-4n, 3n]);
  });
});

describe("an order's terms", () => {
  test("are right", () => expect(problemsOf(draft, market)).toEqual({}));
  test.each([
    ["price", { price: "100.01" }, "multiple of the tick"],
    ["price", { price: "0.5" }, "lies between"],
    ["price", { price: "abc" }, "no number"],
    ["price", { price: "" }, "Give a price"],
    ["price", { price: "-100" }, "lies between"],
    ["quantity", { quantity: "0.0015" }, "multiple of the lot"],
    ["quantity", { quantity: "101" }, "lies between"],
    ["quantity", { quantity: "0.001" }, "worth at least 5"],
    ["quantity", { quantity: "" }, "Give a quantity"],
    ["maxQuote", { type: "MARKET" as const, maxQuote: "" }, "most to spend"],
    ["maxQuote", { type: "MARKET" as const, maxQuote: "0" }, "above zero"],
    ["quantity", { type: "MARKET" as const, side: "SELL" as const, quantity: "x" }, "no number"],
  ])("say what is wrong with the %s of %j", (field, change, words) => {
    expect(problemsOf({ ...draft, ...change }, market)[field as "price"]).toContain(words);
  });
  test("say it of the field that is wrong alone", () => {
    expect(problemsOf({ ...draft, price: "abc" }, market)).toEqual({ price: "abc is no number such as 12.5" });
  });
  test("give value and fee exactly", () => {
    expect(notional("67234.55", "0.123", market)).toBe(parseDecimal("8269.84965", 8));
    expect(notional("x", "1", market)).toBeUndefined();
    expect(feeOf(parseDecimal("8269.84965", 8), "0.0005")).toBe(parseDecimal("4.13492482", 8));
    expect(feeOf(10_000n, "-0.0001")).toBe(-1n);
  });
  test("say how much can be bought, with room for the fee", () => {
    const quantity = affordable("1000", "100", market);
    expect(quantity).toBe("9.995");
    const cost = notional("100", quantity, market) as bigint;
    expect(cost + feeOf(cost, market.taker_fee) <= parseDecimal("1000", 8)).toBe(true);
  });
});

describe("a member's text", () => {
  const text = '{"a": {"b":"}\\"{", "c":[1,{"d":2}]} , "e" :"x\\\\","n":18446744073709551617,"t":true}';
  test.each([
    ["a", '{"b":"}\\"{", "c":[1,{"d":2}]}'],
    ["e", '"x\\\\"'],
    ["n", "18446744073709551617"],
    ["t", "true"],
    ["zz", undefined],
  ])("%s stands as it stood", (name, raw) => expect(rawMember(text, name)).toBe(raw));
  test("is looked for in objects alone", () => {
    expect(() => rawMember("[1]", "a")).toThrow(SyntaxError);
    expect(rawMember("{}", "a")).toBeUndefined();
  });
});
