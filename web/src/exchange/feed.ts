// The streams of market data over one WebSocket. Who subscribes keeps getting data through any number of reconnections;
// what each stream needs in order to go on (a new snapshot, trades in between) is its reader's.
//
// While there is no WebSocket the same streams are fed by asking the REST API again and again.

import { signal } from "@preact/signals";
import { poll } from "./polling";

/** `live`: by stream; `polling`: by asking; `lost`: neither answers. */
export const connection = signal<"connecting" | "live" | "polling" | "lost">("connecting");

type Take<DataT> = (data: DataT) => void;
/** Makes what a private stream is subscribed to with, anew for each connection. */
type Auth = () => Promise<unknown>;

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 8_000;
const SETTLE_MS = 30;
const AGAIN_MS = 1_500;
const POLL_MS = 500;
const SILENCE_MS = 15_000;
const WATCH_MS = 5_000;

interface Subscription {
  takes: Set<Take<never>>;
  auth: Auth | undefined;
}
interface Frame {
  stream?: string;
  data?: unknown;
  id?: number;
  error?: unknown;
}

class Feed {
  private readonly wanted = new Map<string, Subscription>();
  /** What this connection was asked for and has not refused. */
  private asked = new Set<string>();
  private readonly questions = new Map<number, string[]>();
  private socket: WebSocket | undefined;
  private settling: ReturnType<typeof setTimeout> | undefined;
  private waitMs = FIRST_WAIT_MS;
  private lastId = 0;
  private heardAt = 0;
  private polling = false;

  start(): void {
    this.open();
    setInterval(() => this.watch(), WATCH_MS);
    setInterval(() => void this.pollAll(), POLL_MS);
  }

  /** Calls `take` with the stream's data until the returned function is called. */
  subscribe<DataT>(stream: string, take: Take<DataT>, auth?: Auth): () => void {
    const subscription = this.wanted.get(stream) ?? { takes: new Set(), auth };
    this.wanted.set(stream, subscription);
    subscription.takes.add(take);
    this.settleSoon(SETTLE_MS);
    return () => {
      subscription.takes.delete(take);
      if (subscription.takes.size > 0 || this.wanted.get(stream) !== subscription) return;
      this.wanted.delete(stream);
      this.settleSoon(SETTLE_MS);
    };
  }

  /** Begins the stream anew, for a reader that can't go on with what it has. */
  restart(stream: string): void {
    if (!this.asked.delete(stream)) return;
    this.say("UNSUBSCRIBE", [stream]);
    this.settleSoon(SETTLE_MS);
  }

  // --- the connection

  private isOpen(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  private open(): void {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws`);
    this.socket = socket;
    socket.onopen = () => {
      this.waitMs = FIRST_WAIT_MS;
      this.heardAt = performance.now();
      connection.value = "live";
      this.settleSoon(0);
    };
    socket.onmessage = (message: MessageEvent<string>) => {
      this.heardAt = performance.now();
      this.hear(JSON.parse(message.data) as Frame);
    };
    socket.onclose = () => {
      this.socket = undefined;
      this.asked = new Set();
      this.questions.clear();
      if (connection.value === "live") connection.value = "lost";
      setTimeout(() => this.open(), this.waitMs * (0.5 + Math.random()));
      this.waitMs = Math.min(this.waitMs * 2, LONGEST_WAIT_MS);
    };
  }

  private hear(frame: Frame): void {
    if (frame.stream !== undefined) {
      this.hand(frame.stream, frame.data);
      return;
    }
    const streams = this.questions.get(frame.id ?? 0);
    this.questions.delete(frame.id ?? 0);
    if (frame.error === undefined || streams === undefined) return;
    // Not to be had just now, as while the exchange starts.
    for (const stream of streams) this.asked.delete(stream);
    this.settleSoon(AGAIN_MS);
  }

  private hand(stream: string, data: unknown): void {
    for (const take of this.wanted.get(stream)?.takes ?? []) take(data as never);
  }

  // --- what is subscribed to

  private settleSoon(waitMs: number): void {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => void this.settle(), waitMs);
  }

  /** Asks for what is wanted and was not asked for, and ends what is wanted no more. */
  private async settle(): Promise<void> {
    if (!this.isOpen()) return;
    const gone = [...this.asked].filter((stream) => !this.wanted.has(stream));
    if (gone.length > 0) this.say("UNSUBSCRIBE", gone);
    const fresh = [...this.wanted].filter(([stream]) => !this.asked.has(stream));
    this.asked = new Set(this.wanted.keys());
    const open = fresh.filter(([, { auth }]) => auth === undefined).map(([stream]) => stream);
    if (open.length > 0) this.say("SUBSCRIBE", open);
    for (const [stream, { auth }] of fresh) {
      if (auth !== undefined) this.say("SUBSCRIBE", [stream], await auth());
    }
  }

  private say(method: string, streams: string[], auth?: unknown): void {
    if (!this.isOpen()) return;
    this.lastId += 1;
    if (method === "SUBSCRIBE") this.questions.set(this.lastId, streams);
    this.socket?.send(
      JSON.stringify({ method, params: streams, id: this.lastId, ...(auth !== undefined && { auth }) }),
    );
  }

  /** A connection that has gone silent may be dead without having been closed: ask it something. */
  private watch(): void {
    if (!this.isOpen()) return;
    if (performance.now() - this.heardAt > SILENCE_MS) this.socket?.close();
    else this.say("LIST", []);
  }

  // --- without a connection

  private async pollAll(): Promise<void> {
    if (this.polling || this.isOpen() || document.hidden) return;
    this.polling = true;
    let answered = false;
    for (const stream of [...this.wanted.keys()]) {
      try {
        const found = await poll(stream);
        if (this.isOpen()) break;
        for (const data of found) this.hand(stream, data);
        answered = true;
      } catch {
        // The badge says that nothing answers; the next turn begins with the same stream.
        break;
      }
    }
    this.polling = false;
    if (!this.isOpen()) connection.value = answered ? "polling" : "lost";
  }
}

export const feed = new Feed();
