// The gateway's REST API: requests, and what it refuses as errors with a code.

import { signal } from "@preact/signals";

/** A problem document of the gateway, or that there was no answer (NO_ANSWER). */
export class Refusal extends Error {
  constructor(
    readonly code: string,
    readonly title: string,
    readonly detail = "",
    readonly status = 0,
  ) {
    super(detail ? `${title}: ${detail}` : title);
  }
}

/** How far this page's clock is behind the exchange's. */
let clockBehindMs = 0;
/** How long the last question took. */
export const roundTripMs = signal<number | undefined>(undefined);

const TIMEOUT_MS = 15_000;
/** A gateway that is still reading has done nothing: it is asked again, for so long. */
const NOT_READY_MS = 8_000;
const ASK_AGAIN_MS = 400;

interface Problem {
  code?: string;
  title?: string;
  detail?: string;
}

/** The answer, with its headers. Throws a Refusal where it is one, or where there is none. */
async function answered(path: string, request: RequestInit): Promise<{ text: string; headers: Headers }> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, { ...request, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    text = await response.text();
  } catch (error) {
    const slow = error instanceof DOMException && error.name === "TimeoutError";
    const detail = slow ? `none within ${TIMEOUT_MS / 1000} s` : "";
    throw new Refusal("NO_ANSWER", "The exchange does not answer", detail);
  }
  if (response.ok) return { text, headers: response.headers };
  let problem: Problem = {};
  try {
    problem = JSON.parse(text) as Problem;
  } catch {
    // Not from the gateway itself: its status says enough.
  }
  const title = problem.title ?? `The exchange answered ${response.status}`;
  throw new Refusal(problem.code ?? "NO_ANSWER", title, problem.detail, response.status);
}

/** As `answered`, for whoever asks a gateway that has only just started. */
async function answeredSoon(path: string, request: RequestInit): Promise<{ text: string; headers: Headers }> {
  const until = performance.now() + NOT_READY_MS;
  for (;;) {
    try {
      return await answered(path, request);
    } catch (error) {
      const starting = error instanceof Refusal && error.code === "NOT_READY" && performance.now() < until;
      if (!starting) throw error;
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
  }
}

export async function ask<AnswerT>(path: string, request: RequestInit = {}): Promise<AnswerT> {
  return JSON.parse((await answeredSoon(path, request)).text) as AnswerT;
}

/** A private read's answer, and how far the gateway had read the account's partition of the journal: its newest cursor. */
export async function askPlaced<AnswerT>(
  path: string,
  request: RequestInit,
): Promise<{ answer: AnswerT; cursor: number }> {
  const { text, headers } = await answeredSoon(path, request);
  const position = headers.get("glassbook-position") ?? "";
  return { answer: JSON.parse(text) as AnswerT, cursor: Number(position.split("-")[1] ?? 0) };
}

export async function send<AnswerT>(method: string, path: string, body: string): Promise<AnswerT> {
  return ask<AnswerT>(path, { method, body, headers: { "content-type": "application/json" } });
}

/** Asks for the exchange's time: what commands are stamped with, and the latency that the page shows. */
export async function measure(): Promise<void> {
  const began = performance.now();
  try {
    const answer = await ask<{ time_ms: number }>("/api/v1/time");
    const took = performance.now() - began;
    roundTripMs.value = took;
    clockBehindMs = answer.time_ms + took / 2 - Date.now();
  } catch {
    roundTripMs.value = undefined;
  }
}

export function exchangeNowMs(): number {
  return Math.round(Date.now() + clockBehindMs);
}
