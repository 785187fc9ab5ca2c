// RFC 6962 Merkle trees: a batch of commands is signed once, over its root.

import { type Bytes, concat, fromBase64url, sha256, utf8 } from "./bytes";

export interface MerklePath {
  index: number;
  size: number;
  hashes: string[];
}

const PREFIX = utf8("glassbook batch v1\n");
const MAX_BATCH = 1024;

function node(left: Bytes, right: Bytes): Promise<Bytes> {
  return sha256(concat(Uint8Array.of(1), left, right));
}

/** What the batch's signature is made over, as one command's audit path leads to it (RFC 9162, 2.1.3.2). */
export async function signedByBatch(command: Bytes, path: MerklePath): Promise<Bytes> {
  if (path.size < 1 || path.size > MAX_BATCH || path.index < 0 || path.index >= path.size) throw new Error("bad path");
  let place = path.index;
  let last = path.size - 1;
  let hash = await sha256(concat(Uint8Array.of(0), command));
  for (const text of path.hashes) {
    const sibling = fromBase64url(text);
    if (last === 0 || sibling.length !== 32) throw new Error("the path doesn't fit the batch");
    if (place % 2 === 1 || place === last) {
      hash = await node(sibling, hash);
      while (place % 2 === 0 && place !== 0) {
        place >>= 1;
        last >>= 1;
      }
    } else {
      hash = await node(hash, sibling);
    }
    place >>= 1;
    last >>= 1;
  }
  if (last !== 0) throw new Error("the path ends below the root");
  return concat(PREFIX, hash);
}
