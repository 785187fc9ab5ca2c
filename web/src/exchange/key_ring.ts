// The keys of this browser: made by WebCrypto, kept in IndexedDB as handles whose private half can't be read out again.
// Nothing here is ever sent; a private key is seen as bytes only while its owner imports it or asks for a backup.

import { type Bytes, concat, fromBase64url, toBase64url } from "../core/bytes";
import {
  accountOf,
  compress,
  decompress,
  type KeyKind,
  lowS,
  parsePublicKey,
  publicKeyText,
  verifySignature,
} from "../core/signatures";

/** A root key's word that another key may trade, as `glassbook keys new --trades-for` writes it into the key file. */
interface Delegation {
  command: unknown;
  key: string;
  signature: string;
}

export interface StoredKey {
  account: string;
  publicText: string;
  privateKey: CryptoKey;
  delegation?: Delegation;
  createdMs: number;
}

/** A key file as `glassbook keys new` makes it. */
export interface KeyFile {
  public: string;
  private: string;
  delegation?: Delegation;
}

const P256 = { name: "ECDSA", namedCurve: "P-256" };
const PKCS8_ED25519 = Uint8Array.from([
  0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
]);

// --- making, importing, signing

/** A new key: Ed25519 where the browser has it, else P-256. With `backup`, its key file as well, this once. */
export async function newKey(backup: boolean): Promise<{ key: StoredKey; file?: KeyFile }> {
  const kind: KeyKind = (await hasEd25519()) ? "ed25519" : "p256";
  const algorithm = kind === "ed25519" ? "Ed25519" : P256;
  const pair = (await crypto.subtle.generateKey(algorithm, backup, ["sign", "verify"])) as CryptoKeyPair;
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const publicText = publicKeyText({ kind, bytes: kind === "ed25519" ? raw : compress(raw) });
  if (!backup) return { key: await stored(publicText, pair.privateKey) };
  const file = { public: publicText, private: await privateText(pair.privateKey) };
  return { key: await importKey(file), file };
}

async function hasEd25519(): Promise<boolean> {
  try {
    await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
    return true;
  } catch {
    return false;
  }
}

async function privateText(key: CryptoKey): Promise<string> {
  const jwk = await crypto.subtle.exportKey("jwk", key);
  return jwk.d ?? "";
}

/** From here on the private key can sign and not be read. Throws where the two halves don't belong together. */
export async function importKey(file: KeyFile): Promise<StoredKey> {
  const { kind, bytes } = parsePublicKey(file.public);
  const secret = fromBase64url(file.private);
  if (secret.length !== 32) throw new Error("a private key has 32 bytes");
  const key = kind === "ed25519" ? await importEd25519(secret) : await importP256(bytes, file.private);
  const probe = new TextEncoder().encode("does the private key belong to the public one?");
  const found = await stored(file.public, key, file.delegation);
  if (!(await verifySignature(file.public, await sign(found, probe), probe))) {
    throw new Error("the private key doesn't belong to the public one");
  }
  return found;
}

function importEd25519(secret: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("pkcs8", concat(PKCS8_ED25519, secret), "Ed25519", false, ["sign"]);
}

function importP256(point: Bytes, secret: string): Promise<CryptoKey> {
  const whole = decompress(point);
  const [x, y] = [toBase64url(whole.slice(1, 33)), toBase64url(whole.slice(33))];
  return crypto.subtle.importKey("jwk", { kty: "EC", crv: "P-256", x, y, d: secret }, P256, false, ["sign"]);
}

async function stored(publicText: string, privateKey: CryptoKey, delegation?: Delegation): Promise<StoredKey> {
  const account = await accountOf(delegation?.key ?? publicText);
  return { account, publicText, privateKey, createdMs: Date.now(), ...(delegation && { delegation }) };
}

/** The signature's text. */
export async function sign(key: StoredKey, message: Bytes): Promise<string> {
  if (key.publicText.startsWith("ed25519:")) {
    return toBase64url(new Uint8Array(await crypto.subtle.sign("Ed25519", key.privateKey, message)));
  }
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  return toBase64url(lowS(new Uint8Array(await crypto.subtle.sign(algorithm, key.privateKey, message))));
}

// --- keeping

const STORE = "keys";

function opened(): Promise<IDBDatabase> {
  const request = indexedDB.open("glassbook", 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "publicText" });
  return settled(request);
}

function settled<ResultT>(request: IDBRequest<ResultT>): Promise<ResultT> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export async function keptKeys(): Promise<StoredKey[]> {
  const store = (await opened()).transaction(STORE, "readonly").objectStore(STORE);
  const keys = await settled<StoredKey[]>(store.getAll());
  return keys.sort((one, other) => one.createdMs - other.createdMs);
}

export async function keepKey(key: StoredKey): Promise<void> {
  const store = (await opened()).transaction(STORE, "readwrite").objectStore(STORE);
  await settled(store.put(key));
}

export async function forgetKey(publicText: string): Promise<void> {
  const store = (await opened()).transaction(STORE, "readwrite").objectStore(STORE);
  await settled(store.delete(publicText));
}
