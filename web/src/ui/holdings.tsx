// What the account has of the market's two assets.

import { parseDecimal } from "../core/decimal";
import type { Market } from "../core/terms";
import { balances, standing } from "../state/account";
import { cut, grouped } from "./words";

const LONG = 10;
const SHORT_DECIMALS = 4;

export function Holdings({ terms }: { terms: Market }) {
  if (standing.value !== "open") return null;
  return (
    <div class="holdings">
      <dl class="pairs">
        <dt>Asset</dt>
        <dt>Free</dt>
        <dt>In orders</dt>
        {[terms.base, terms.quote].map((asset) => {
          const held = balances.value.find((one) => one.asset === asset);
          return [
            <dt key={asset}>{asset}</dt>,
            <Amount key={`${asset} free`} text={held?.free ?? "0"} />,
            <Amount key={`${asset} reserved`} text={held?.reserved ?? "0"} />,
          ];
        })}
      </dl>
    </div>
  );
}

/** Cut to what there is room for; the whole of it in its title. */
function Amount({ text }: { text: string }) {
  const shown = text.length > LONG ? cut(parseDecimal(text, 18), 18, SHORT_DECIMALS) : grouped(text);
  return <dd title={text}>{shown}</dd>;
}
