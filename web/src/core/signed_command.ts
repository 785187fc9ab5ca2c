// Signed commands as they stand on the log, and whether their owner signed them. Says what the bytes alone can show:
// that a trade key was revoked before is on the log too, in its account's own partition.

import { utf8 } from "./bytes";
import { type Fields, isCanonical } from "./commands";
import { type MerklePath, signedByBatch } from "./merkle";
import { rawMember } from "./raw_json";
import { accountOf, verifySignature } from "./signatures";

interface SignedText {
  /** The command's text, byte for byte as it was signed. */
  command: string;
  key: string;
  signature: string;
}
export interface SignedCommand extends SignedText {
  delegation?: SignedText;
  path?: MerklePath;
}

/** The signed command in a record's text, as in `submitted` and `funded`; undefined where there is none. */
export function signedOf(record: string): SignedCommand | undefined {
  const signed = rawMember(record, "signed");
  if (signed === undefined) return undefined;
  const delegation = rawMember(signed, "delegation");
  const path = rawMember(signed, "path");
  return {
    ...textsOf(signed),
    ...(delegation === undefined ? {} : { delegation: textsOf(delegation) }),
    ...(path === undefined ? {} : { path: JSON.parse(path) as MerklePath }),
  };
}

function textsOf(signed: string): SignedText {
  return {
    command: rawMember(signed, "command") ?? "",
    key: JSON.parse(rawMember(signed, "key") ?? '""') as string,
    signature: JSON.parse(rawMember(signed, "signature") ?? '""') as string,
  };
}

/** Why the account's owner did not sign this; "" where the signature holds and the key speaks for the account. */
export async function wrongWith(signed: SignedCommand): Promise<string> {
  try {
    if (!isCanonical(signed.command)) return "the command's bytes are not canonical";
    const command = JSON.parse(signed.command) as Fields;
    if ((await accountOf(signed.key)) !== command.account) {
      const wrong = await wrongWithDelegation(signed, command);
      if (wrong) return wrong;
    }
    const bytes = utf8(signed.command);
    const message = signed.path === undefined ? bytes : await signedByBatch(bytes, signed.path);
    return (await verifySignature(signed.key, signed.signature, message)) ? "" : "the signature does not hold";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function wrongWithDelegation(signed: SignedCommand, command: Fields): Promise<string> {
  const { delegation } = signed;
  if (delegation === undefined) return "the key is not the account's, and no delegation came with it";
  if (!isCanonical(delegation.command)) return "the delegation's bytes are not canonical";
  const said = JSON.parse(delegation.command) as Fields;
  if (said.command !== "delegate_key" || said.trade_key !== signed.key) return "the delegation is not for this key";
  if ((await accountOf(delegation.key)) !== said.account) return "the delegation is not by the account's root key";
  if (said.account !== command.account || said.exchange !== command.exchange) {
    return "the delegation is for another account or exchange";
  }
  const holds = await verifySignature(delegation.key, delegation.signature, utf8(delegation.command));
  return holds ? "" : "the delegation's signature does not hold";
}
