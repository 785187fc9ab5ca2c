// The account's fills. Each opens its proof.

import { fills } from "../state/account";
import { dialog } from "../state/view";
import { dayAndClock, grouped, when } from "./words";

export function Fills() {
  if (fills.value.length === 0) return <p class="nothing">No fills yet.</p>;
  return (
    <table class="table">
      <thead>
        <tr>
          <th>Time</th>
          <th>Market</th>
          <th>Side</th>
          <th>Role</th>
          <th class="number">Price</th>
          <th class="number">Quantity</th>
          <th class="number">Fee</th>
          <th>
            <span class="hidden-text">Proof</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {fills.value.map((fill) => (
          <tr key={`${fill.trade_id} ${fill.order_id}`}>
            <td class="muted" title={dayAndClock(fill.time_ms)}>
              {when(fill.time_ms)}
            </td>
            <td>{fill.symbol}</td>
            <td class={fill.side === "BUY" ? "up" : "down"}>{fill.side}</td>
            <td>{fill.role.toLowerCase()}</td>
            <td class="number">{grouped(fill.price)}</td>
            <td class="number">{grouped(fill.quantity)}</td>
            <td class="number">
              {grouped(fill.fee)} <span class="muted">{fill.fee_asset}</span>
            </td>
            <td class="number actions">
              <button type="button" class="button small" onClick={() => (dialog.value = { kind: "proof", fill })}>
                Proof
              </button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
