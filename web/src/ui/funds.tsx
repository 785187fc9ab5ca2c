import type { Market } from "../core/terms";
import { getFunds, lacksFunds, offered } from "../state/funds";
import { key } from "../state/keys";
import { attempt } from "../state/toasts";

/** One click to play money, where the exchange is a local one. */
export function GetFunds({ terms }: { terms: Market }) {
  const own = key.value;
  if (!offered.value || own === undefined || !lacksFunds.value) return null;
  return (
    <button type="button" class="button small" onClick={() => void attempt(() => getFunds(terms, own))}>
      Get play money
    </button>
  );
}
