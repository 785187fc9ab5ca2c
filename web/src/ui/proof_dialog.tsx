// The proof of a fill: its two signed orders, their places on the log, and what this browser finds when it checks them.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Check, checksOf, type Proof, type ProofRecord, placeOf } from "../core/proof";
import { signedOf } from "../core/signed_command";
import type { AccountTrade } from "../exchange/answers";
import { ask } from "../exchange/rest";
import { alerts, canary } from "../state/canary";
import { attempt } from "../state/toasts";
import { dayAndClock, grouped } from "./words";

export function ProofDialog({ fill }: { fill: AccountTrade }) {
  const proof = useSignal<Proof | undefined>(undefined);
  const checks = useSignal<Check[]>([]);
  const load = async () => {
    const path = `/api/v1/markets/${encodeURIComponent(fill.symbol)}/trades/${fill.trade_sequence}/proof`;
    proof.value = await ask<Proof>(path);
  };
  const verify = async () => {
    if (proof.value !== undefined) checks.value = await checksOf(proof.value);
  };
  useEffect(() => void attempt(load), []);
  return (
    <div class="stack">
      <p>
        <span class={fill.side === "BUY" ? "up" : "down"}>{fill.side}</span> {grouped(fill.quantity)} {fill.symbol} at{" "}
        {grouped(fill.price)}, {dayAndClock(fill.time_ms)}. Trade <span class="mono">{fill.trade_id}</span>, number{" "}
        {fill.trade_sequence} of its market.
      </p>
      {proof.value === undefined ? (
        <p class="muted">Reading the log.</p>
      ) : (
        <>
          <button type="button" class="button primary wide" onClick={() => void attempt(verify)}>
            Verify in this browser
          </button>
          <Findings checks={checks.value} tradeId={fill.trade_id} />
          {proof.value.records.map((record) => (
            <Record key={placeOf(record)} record={record} />
          ))}
        </>
      )}
    </div>
  );
}

function Findings({ checks, tradeId }: { checks: Check[]; tradeId: string }) {
  if (checks.length === 0) return null;
  const holds = checks.every((check) => check.wrong === "");
  return (
    <div role="status" class="stack">
      <strong class={holds ? "up" : "down"}>
        {holds ? "The trade follows from what its owners signed." : "Not proven."}
      </strong>
      <ul class="checks">
        {checks.map((check) => (
          <li key={check.what}>
            <span class={check.wrong ? "down" : "up"}>{check.wrong ? "✕" : "✓"}</span>
            <span>
              {check.what}
              {check.wrong && <span class="down">: {check.wrong}</span>}
            </span>
          </li>
        ))}
        <CanaryWord tradeId={tradeId} />
      </ul>
    </div>
  );
}

/** Whether the second matcher came to the same trade: that it was this maker's turn is its to say. */
function CanaryWord({ tradeId }: { tradeId: string }) {
  const [partition, offset = ""] = tradeId.split("-");
  const next = canary.value?.judged[`orders-${partition}`] ?? 0;
  const judged = Number(offset) < next;
  const accused = alerts.value.some((alert) =>
    alert.evidence.some(
      (one) => one.topic === "orders" && String(one.partition) === partition && String(one.offset) === offset,
    ),
  );
  const word = accused
    ? "The canary says that something is wrong with it"
    : judged
      ? "The canary derived the same trade"
      : "The canary has not judged it yet";
  return (
    <li>
      <span class={accused ? "down" : judged ? "up" : "warning"}>{accused ? "✕" : judged ? "✓" : "…"}</span>
      <span>
        {word} (orders-{partition}@{offset})
      </span>
    </li>
  );
}

function Record({ record }: { record: ProofRecord }) {
  const signed = signedOf(record.value);
  return (
    <article class="record">
      <header>
        <strong>{record.role === "MAKER" ? "Maker" : "Taker"}</strong>
        <span class="spacer" />
        <span class="mono">{placeOf(record)}</span>
      </header>
      {signed !== undefined && (
        <dl class="pairs left">
          <dt>Key</dt>
          <dd class="mono">{signed.key}</dd>
          <dt>Signature</dt>
          <dd class="mono">{signed.signature}</dd>
        </dl>
      )}
      <pre>{signed?.command ?? record.value}</pre>
    </article>
  );
}
