// The canary's word, always in sight: green with how far it has judged, red with what it found and the evidence.

import type { Alert } from "../exchange/answers";
import { alerts, canary, judgedHere, tone, wrong } from "../state/canary";
import { dialog } from "../state/view";
import { dayAndClock } from "./words";

const WORDS = { well: "Canary", behind: "Canary behind", late: "Canary: a stage is late", unknown: "Canary: no word" };

export function CanaryBadge() {
  const count = wrong.value.length;
  const how = tone.value;
  const offset = judgedHere.value;
  return (
    <button
      type="button"
      class={`badge canary-${how}`}
      title="A second matcher derives every fill again. The figure is the last offset of this market's orders that it judged."
      onClick={() => {
        dialog.value = { kind: "canary" };
      }}
    >
      <span class="dot" />
      <span class="badge-words">{how === "wrong" ? `Canary: ${count} wrong` : WORDS[how]}</span>
      <span class="badge-figure">
        {how === "wrong" ? "" : offset === undefined ? "–" : `@${offset.toLocaleString("en")}`}
      </span>
    </button>
  );
}

export function CanaryDialog() {
  const state = canary.value;
  return (
    <div class="stack">
      <p>
        The canary is a second implementation of the matching rules. It reads the log, derives every fill, posting and
        price level a second time, and says where what was published does not follow.
      </p>
      {wrong.value.length === 0 && <p class="up">It has found nothing wrong.</p>}
      {alerts.value.map((alert) => (
        <AlertCard key={alert.alert_id} alert={alert} />
      ))}
      <h3>Judged so far</h3>
      {state === undefined ? (
        <p class="muted">No word of it has come yet.</p>
      ) : (
        <dl class="pairs judged">
          {Object.entries(state.judged).map(([place, offset]) => [
            <dt key={`${place} name`}>{place}</dt>,
            <dd key={place}>{offset === 0 ? "nothing yet" : `offset ${(offset - 1).toLocaleString("en")}`}</dd>,
          ])}
        </dl>
      )}
    </div>
  );
}

function AlertCard({ alert }: { alert: Alert }) {
  return (
    <article class={`alert ${alert.severity === "WRONG" ? "alert-wrong" : ""}`}>
      <h3>
        {alert.kind} <span class="muted">{alert.severity}</span>
      </h3>
      <dl class="pairs">
        <dt>Where</dt>
        <dd>
          {alert.symbol || "no single market"}, {dayAndClock(alert.time_ms)}
        </dd>
        <dt>Expected</dt>
        <dd class="mono">{alert.expected || "nothing"}</dd>
        <dt>Found</dt>
        <dd class="mono">{alert.found || "nothing"}</dd>
        <dt>Evidence</dt>
        <dd class="mono">{alert.evidence.map((one) => `${one.topic}-${one.partition}@${one.offset}`).join(", ")}</dd>
      </dl>
    </article>
  );
}

/** Across the page, for as long as something is wrong. */
export function CanaryBanner() {
  const first = wrong.value[0];
  if (first === undefined) return null;
  return (
    <button
      type="button"
      class="canary-banner"
      aria-live="assertive"
      onClick={() => {
        dialog.value = { kind: "canary" };
      }}
    >
      <strong>{first.kind}</strong> {first.symbol && `on ${first.symbol}`} · evidence › expected{" "}
      {first.expected || "nothing"}, found {first.found || "nothing"}
    </button>
  );
}
