import { describe, expect, test } from "vitest";
import { Book, type LevelText } from "../src/core/book";
import { crc32 } from "../src/core/crc32";
import { ladderRows, spread, steps } from "../src/core/ladder";

const snapshot = (bids: LevelText[], asks: LevelText[], sequence = 7) => ({
  type: "snapshot" as const,
  sequence,
  bids,
  asks,
});
const update = (first: number, last: number, bids: LevelText[], asks: LevelText[] = [], checksum?: number) => ({
  type: "update" as const,
  first,
  last,
  bids,
  asks,
  ...(checksum !== undefined && { checksum }),
});
const texts = (levels: { text: LevelText }[]) => levels.map((level) => level.text.join(" "));

test("CRC-32 is the one of zlib", () => {
  expect(crc32("123456789")).toBe(0xcbf43926);
  expect(crc32("")).toBe(0);
});

describe("a book", () => {
  const started = () => {
    const book = new Book(2, 3);
    book.apply(
      snapshot(
        [
          ["10", "1"],
          ["9.5", "2"],
        ],
        [
          ["10.5", "3"],
          ["11", "4"],
        ],
      ),
    );
    return book;
  };

  test("puts, changes and removes levels, best first", () => {
    const book = started();
    expect(
      book.apply(
        update(
          8,
          9,
          [
            ["9.75", "5"],
            ["9.5", "0"],
            ["10.25", "1"],
          ],
          [
            ["10.5", "2.5"],
            ["12", "1"],
          ],
        ),
      ),
    ).toBe(true);
    expect(texts(book.bids)).toEqual(["10.25 1", "10 1", "9.75 5"]);
    expect(texts(book.asks)).toEqual(["10.5 2.5", "11 4", "12 1"]);
    expect(book.sequence).toBe(9);
  });

  test("takes a level's removal that it never saw", () => {
    const book = started();
    expect(book.apply(update(8, 8, [["1", "0"]]))).toBe(true);
    expect(texts(book.bids)).toEqual(["10 1", "9.5 2"]);
  });

  test.each([
    ["a gap", 9],
    ["a repeat", 7],
  ])("refuses %s and stays as it is", (_, first) => {
    const book = started();
    expect(book.apply(update(first, first, [["10", "0"]]))).toBe(false);
    expect(texts(book.bids)).toEqual(["10 1", "9.5 2"]);
  });

  test("proves itself by its checksum", () => {
    const right = crc32("10:1|10.5:3|9.5:2|11:4|9:1");
    expect(started().apply(update(8, 8, [["9", "1"]], [], right))).toBe(true);
    expect(started().apply(update(8, 8, [["9", "1"]], [], right + 1))).toBe(false);
  });

  test("its checksum ends at ten levels", () => {
    const book = new Book(0, 0);
    const bids = Array.from({ length: 12 }, (_, index): LevelText => [String(100 - index), "1"]);
    book.apply(snapshot(bids, []));
    expect(book.checksum()).toBe(
      crc32(
        bids
          .slice(0, 10)
          .map((level) => level.join(":"))
          .join("|"),
      ),
    );
  });

  test("agrees with one that is built anew, whatever comes", () => {
    let seed = 42;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % below;
    };
    const book = started();
    const totals = new Map<string, string>([
      ["10", "1"],
      ["9.5", "2"],
    ]);
    for (let sequence = 8; sequence < 500; sequence += 1) {
      const level: LevelText = [String(1 + random(60)), random(3) === 0 ? "0" : String(1 + random(9))];
      book.apply(update(sequence, sequence, [level]));
      if (level[1] === "0") totals.delete(level[0]);
      else totals.set(...level);
    }
    const wanted = [...totals].sort((one, other) => Number(other[0]) - Number(one[0]));
    expect(texts(book.bids)).toEqual(wanted.map((level) => level.join(" ")));
  });
});

describe("the ladder", () => {
  const book = new Book(2, 0);
  book.apply(
    snapshot(
      [
        ["10.04", "1"],
        ["10.01", "2"],
        ["9.99", "4"],
      ],
      [
        ["10.06", "8"],
        ["10.10", "16"],
        ["10.11", "32"],
      ],
    ),
  );

  test("groups bids down and asks up, never better than they are", () => {
    const rows = (side: "bid" | "ask") =>
      ladderRows(side === "bid" ? book.bids : book.asks, side, 10n, 9).map((row) => [
        row.price,
        row.quantity,
        row.cumulative,
      ]);
    expect(rows("bid")).toEqual([
      [1000n, 3n, 3n],
      [990n, 4n, 7n],
    ]);
    expect(rows("ask")).toEqual([
      [1010n, 24n, 24n],
      [1020n, 32n, 56n],
    ]);
  });

  test("ends at the rows there is room for, each of them whole", () => {
    expect(ladderRows(book.bids, "bid", 10n, 1)).toEqual([{ price: 1000n, quantity: 3n, cumulative: 3n }]);
  });

  test("knows the spread and the steps", () => {
    expect(spread(book.bids, book.asks)).toBe(2n);
    expect(spread([], book.asks)).toBeUndefined();
    expect(steps(5n, 4)).toEqual([5n, 10n, 25n, 50n]);
  });
});
