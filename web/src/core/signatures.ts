// Public keys, accounts and signatures as docs/signing.md has them, by WebCrypto.
//
// Stricter than WebCrypto: one spelling for each key and signature, no Ed25519 key of small order, low s alone.

import { type Bytes, concat, fromBase64url, fromInteger, sha256, toBase64url, toHex, toInteger, utf8 } from "./bytes";

export type KeyKind = "ed25519" | "p256";

const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const ED25519_PRIME = 2n ** 255n - 19n;
const EDWARDS_D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;

class BadKey extends Error {}

interface PublicKey {
  kind: KeyKind;
  bytes: Bytes;
}

export function parsePublicKey(text: string): PublicKey {
  const [kind, encoded] = text.split(":");
  let bytes: Bytes;
  try {
    bytes = fromBase64url(encoded ?? "");
  } catch {
    throw new BadKey("the key is no base64url");
  }
  if (kind === "ed25519" && bytes.length === 32) {
    if (isOfSmallOrder(bytes)) throw new BadKey("a key of small order");
    return { kind, bytes };
  }
  if (kind === "p256" && bytes.length === 33) return { kind, bytes };
  throw new BadKey("neither ed25519: nor p256: with a key's bytes");
}

/** Such keys verify signatures that nobody made: eight times the point is nothing. Its y is 0, 1 or -1, or its double's
 * is 0: with y' = 0 for the double, x² = -y², which put into the curve gives d y⁴ + 2 y² = 1. */
function isOfSmallOrder(point: Uint8Array): boolean {
  const little = Uint8Array.from(point).reverse();
  little[0] = (little[0] as number) & 0x7f;
  const y = toInteger(little) % ED25519_PRIME;
  const square = y * y;
  const doubled = (EDWARDS_D * square * square + 2n * square - 1n) % ED25519_PRIME;
  return y === 0n || y === 1n || y === ED25519_PRIME - 1n || doubled === 0n;
}

export function publicKeyText(key: PublicKey): string {
  return `${key.kind}:${toBase64url(key.bytes)}`;
}

/** An account's id: the first 20 bytes of the hash of its root key's text. */
export async function accountOf(publicText: string): Promise<string> {
  return toHex((await sha256(utf8(publicText))).slice(0, 20));
}

export async function verifySignature(publicText: string, signature: string, message: Bytes): Promise<boolean> {
  const key = parsePublicKey(publicText);
  let bytes: Bytes;
  try {
    bytes = fromBase64url(signature);
  } catch {
    return false;
  }
  if (bytes.length !== 64) return false;
  if (key.kind === "ed25519") {
    const imported = await crypto.subtle.importKey("raw", key.bytes, "Ed25519", true, ["verify"]);
    return crypto.subtle.verify("Ed25519", imported, bytes, message);
  }
  if (toInteger(bytes.slice(32)) > ORDER / 2n) return false;
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const imported = await crypto.subtle.importKey("raw", decompress(key.bytes), algorithm, true, ["verify"]);
  return crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, imported, bytes, message);
}

/** WebCrypto's r‖s, with s or the order minus s, whichever is lower. */
export function lowS(signature: Bytes): Bytes {
  const s = toInteger(signature.slice(32));
  return s <= ORDER / 2n ? signature : concat(signature.slice(0, 32), fromInteger(ORDER - s, 32));
}

/** A P-256 point from 65 bytes to 33. */
export function compress(point: Uint8Array): Bytes {
  const parity = (point[64] as number) & 1;
  return concat(Uint8Array.of(2 + parity), point.slice(1, 33));
}

/** And back: browsers import whole points alone. */
export function decompress(point: Uint8Array): Bytes {
  const x = toInteger(point.slice(1));
  if ((point[0] !== 2 && point[0] !== 3) || x >= P) throw new BadKey("no compressed point");
  const square = (x * x * x - 3n * x + B) % P;
  const positive = square < 0n ? square + P : square;
  const root = power(positive, (P + 1n) / 4n);
  if ((root * root) % P !== positive) throw new BadKey("no point of the curve");
  const y = (root & 1n) === BigInt(point[0] & 1) ? root : P - root;
  return concat(Uint8Array.of(4), point.slice(1), fromInteger(y, 32));
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}
