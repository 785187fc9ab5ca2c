// The browser's signing and checking against the vectors that every client of the exchange is held to.

import { describe, expect, test } from "vitest";
import text from "../../schemas/vectors/signing.json";
import { fromInteger, toBase64url, toHex, utf8 } from "../src/core/bytes";
import { canonicalText, type Fields, isCanonical } from "../src/core/commands";
import { type MerklePath, signedByBatch } from "../src/core/merkle";
import { accountOf, verifySignature } from "../src/core/signatures";
import { type SignedCommand, wrongWith } from "../src/core/signed_command";
import { importKey, sign } from "../src/exchange/key_ring";

interface Vector extends SignedCommand {
  name: string;
  reason?: string;
}
interface Batch {
  key: string;
  signature: string;
  commands: string[];
  message: string;
  paths: MerklePath[];
}
interface NamedKey {
  name: string;
  private: string;
  public: string;
  account: string;
}
interface Vectors {
  keys: NamedKey[];
  accepted: Vector[];
  batches: Batch[];
  refused_signatures: Vector[];
  refused_bytes: { name: string; bytes: string; reason: string }[];
}
const vectors = text as unknown as Vectors;
const KNOWN = ["new_order", "cancel_order", "amend_order", "cancel_all", "delegate_key"];

function kindOf(command: string): string {
  return JSON.parse(command).command;
}
const orders = (some: Vector[]) => some.filter((one) => KNOWN.includes(kindOf(one.command)));
const key = (name: string) => vectors.keys.find((one) => one.name === name) as NamedKey;

describe("canonical bytes", () => {
  test.each(orders(vectors.accepted).map((one) => [one.name, one.command]))("of %s", (_, command) => {
    expect(canonicalText(JSON.parse(command) as Fields)).toBe(command);
    const shuffled = Object.fromEntries(Object.entries(JSON.parse(command)).reverse()) as Fields;
    expect(canonicalText(shuffled)).toBe(command);
  });

  const twoWays = [
    "NOT_CANONICAL",
    "NOT_JSON",
    "DUPLICATE_FIELD",
    "UNKNOWN_FIELD",
    "UNKNOWN_RECORD",
    "RECORD_TOO_LARGE",
  ];
  test.each(vectors.refused_bytes.filter((one) => twoWays.includes(one.reason)).map((one) => [one.name, one.bytes]))(
    "not: %s",
    (_, bytes) => expect(isCanonical(bytes)).toBe(false),
  );
});

describe("signatures", () => {
  test.each(orders(vectors.accepted).map((one) => [one.name, one] as const))("taken: %s", async (_, one) => {
    expect(await wrongWith(one)).toBe("");
  });

  test.each(orders(vectors.refused_signatures).map((one) => [one.name, one] as const))(
    "refused: %s",
    async (_, one) => {
      expect(await wrongWith(one)).not.toBe("");
    },
  );

  test.each(vectors.keys.map((one) => [one.name, one] as const))("the account of %s", async (_, one) => {
    expect(await accountOf(one.public)).toBe(one.account);
  });

  test("of batches, along every path", async () => {
    for (const batch of vectors.batches) {
      for (const [index, path] of batch.paths.entries()) {
        const message = await signedByBatch(utf8(batch.commands[index] as string), path);
        expect(toHex(message)).toBe(batch.message);
        expect(await verifySignature(batch.key, batch.signature, message)).toBe(true);
      }
    }
  });
});

describe("keys", () => {
  const file = (name: string) => ({
    public: key(name).public,
    private: toBase64url(fromInteger(BigInt(`0x${key(name).private}`), 32)),
  });

  test.each(["alice", "alice-browser"])("%s signs what verifies, again and again", async (name) => {
    const own = await importKey(file(name));
    expect(own.account).toBe(key(name).account);
    expect(own.privateKey.extractable).toBe(false);
    for (let count = 0; count < 16; count += 1) {
      const message = utf8(`message ${count}`);
      // A P-256 signature with a high s would not verify here: half of WebCrypto's have one.
      expect(await verifySignature(own.publicText, await sign(own, message), message)).toBe(true);
    }
  });

  test("two halves that don't belong together are refused", async () => {
    await expect(importKey({ ...file("alice"), public: key("alice-trade").public })).rejects.toThrow("doesn't belong");
  });

  test("an Ed25519 signature is the vectors' own", async () => {
    const limit = vectors.accepted[0] as Vector;
    expect(await sign(await importKey(file("alice")), utf8(limit.command))).toBe(limit.signature);
  });
});
