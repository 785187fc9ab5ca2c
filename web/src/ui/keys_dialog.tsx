// Keys: made here, imported or backed up on purpose; and the account that a key owns.

import { useSignal } from "@preact/signals";
import { importKey, type KeyFile, newKey, type StoredKey } from "../exchange/key_ring";
import { refresh, standing } from "../state/account";
import { getFunds, offered } from "../state/funds";
import { addKey, dropKey, key, keys, session } from "../state/keys";
import { market } from "../state/market";
import { usedKey } from "../state/settings";
import { attempt, say } from "../state/toasts";
import { closeDialog } from "./dialogs";

export function KeysDialog() {
  return (
    <div class="stack">
      {key.value === undefined ? <FirstKey /> : <OwnAccount own={key.value} />}
      {keys.value.length > 1 && <OtherKeys />}
      <details>
        <summary>Import, back up, remove</summary>
        <div class="stack details-body">
          <ImportKey />
          <BackedUpKey />
          {key.value !== undefined && <RemoveKey own={key.value} />}
        </div>
      </details>
    </div>
  );
}

async function makeKey(): Promise<void> {
  const { key: made } = await newKey(false);
  await addKey(made);
}

/** One click: a key, its account and, on a local system, play money. */
async function demonstration(): Promise<void> {
  const terms = market.value;
  if (terms === undefined) return;
  await getFunds(terms, key.value ?? (await newKey(false)).key);
  closeDialog();
}

function FirstKey() {
  if (!isSecureContext) {
    return <p class="down">Browsers make and use keys on https pages and on 127.0.0.1 alone: open this page so.</p>;
  }
  return (
    <>
      <p>
        An account is a key. It is made in this browser by WebCrypto, its private half can not be read out again, not
        even by this page, and nothing but signatures is ever sent.
      </p>
      {offered.value && (
        <button type="button" class="button primary wide" onClick={() => void attempt(demonstration)}>
          Demonstration account with play money
        </button>
      )}
      <button type="button" class="button wide" onClick={() => void attempt(makeKey)}>
        Make a key
      </button>
    </>
  );
}

function OwnAccount({ own }: { own: StoredKey }) {
  const open = async () => {
    await session.value?.register();
    await refresh();
    say("good", "The account is open", own.account);
  };
  return (
    <>
      <dl class="pairs left">
        <dt>Account</dt>
        <dd class="mono">{own.account}</dd>
        <dt>Public key</dt>
        <dd class="mono">{own.publicText}</dd>
        <dt>Standing</dt>
        <dd>{{ unknown: "asking the exchange", absent: "not open yet", open: "open" }[standing.value]}</dd>
      </dl>
      {standing.value === "absent" && offered.value && (
        <button type="button" class="button primary wide" onClick={() => void attempt(demonstration)}>
          Open it, with play money
        </button>
      )}
      {standing.value === "absent" && own.delegation === undefined && (
        <button type="button" class="button wide" onClick={() => void attempt(open)}>
          Open the account
        </button>
      )}
    </>
  );
}

function OtherKeys() {
  return (
    <label class="field">
      <span>Trade with</span>
      <select
        value={key.value?.publicText}
        onChange={(event) => {
          usedKey.value = event.currentTarget.value;
        }}
      >
        {keys.value.map((one) => (
          <option key={one.publicText} value={one.publicText}>
            {one.account}
            {one.delegation && " (trade key)"}
          </option>
        ))}
      </select>
    </label>
  );
}

function ImportKey() {
  const take = async (file: File | undefined) => {
    if (file === undefined) return;
    await addKey(await importKey(JSON.parse(await file.text()) as KeyFile));
    say("good", "The key is here", "Its private half can not be read out of this browser again.");
  };
  return (
    <label class="file-field">
      <span>
        Import a key file, as <code>glassbook keys new</code> or a backup makes it
      </span>
      <input
        type="file"
        accept="application/json,.json"
        onChange={(event) => {
          const chosen = event.currentTarget.files?.[0];
          event.currentTarget.value = ""; // so that the same file can be chosen again
          void attempt(() => take(chosen));
        }}
      />
    </label>
  );
}

function BackedUpKey() {
  const sure = useSignal(false);
  const make = async () => {
    const { key: made, file } = await newKey(true);
    if (file !== undefined) save(file, made.account);
    await addKey(made);
  };
  return (
    <div class="stack">
      <label class="check">
        <input
          type="checkbox"
          checked={sure.value}
          onChange={(event) => {
            sure.value = event.currentTarget.checked;
          }}
        />
        I will keep the file where nobody else gets at it
      </label>
      <button type="button" class="button wide" disabled={!sure.value} onClick={() => void attempt(make)}>
        Make a new key, and save its backup
      </button>
      <p class="muted">A key that was made without a backup can not be backed up later.</p>
    </div>
  );
}

function save(file: KeyFile, account: string): void {
  const url = URL.createObjectURL(new Blob([`${JSON.stringify(file, null, 2)}\n`], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `glassbook-${account.slice(0, 8)}.json`;
  link.click();
  URL.revokeObjectURL(url);
}

function RemoveKey({ own }: { own: StoredKey }) {
  const typed = useSignal("");
  const wanted = own.account.slice(0, 6);
  return (
    <div class="stack">
      <label class="field">
        <span>Type {wanted} to remove this key</span>
        <input
          value={typed.value}
          autocomplete="off"
          onInput={(event) => {
            typed.value = event.currentTarget.value;
          }}
        />
      </label>
      <button
        type="button"
        class="button wide"
        disabled={typed.value !== wanted}
        onClick={() => void attempt(() => dropKey(own))}
      >
        Remove it from this browser for ever
      </button>
    </div>
  );
}
