// One account's dealings with the exchange: commands stamped, signed and sent, and reads that only it may make.

import { utf8 } from "../core/bytes";
import { type AccountCommand, canonicalText, type Fields } from "../core/commands";
import { type StoredKey, sign } from "./key_ring";
import { askPlaced, exchangeNowMs, send } from "./rest";

const WINDOW_MS = 10_000;

export class Session {
  private lastNonce = 0;

  constructor(
    readonly exchange: string,
    readonly key: StoredKey,
  ) {}

  get account(): string {
    return this.key.account;
  }

  /** The signed command as a request's body. */
  async signed(command: AccountCommand): Promise<string> {
    const timeMs = exchangeNowMs();
    this.lastNonce = Math.max(this.lastNonce + 1, timeMs);
    const text = canonicalText({
      ...(command as unknown as Fields),
      exchange: this.exchange,
      account: this.account,
      nonce: this.lastNonce,
      time_ms: timeMs,
      deadline_ms: timeMs + WINDOW_MS,
    });
    return this.body(text);
  }

  async send<AnswerT>(method: string, path: string, command: AccountCommand): Promise<AnswerT> {
    return send<AnswerT>(method, path, await this.signed(command));
  }

  /** Opens the account by its own key, where the exchange lets anybody in. */
  async register(): Promise<void> {
    const fields = { command: "register_account", exchange: this.exchange, root_key: this.key.publicText };
    await send("POST", "/api/v1/accounts", await this.body(canonicalText({ ...fields, time_ms: exchangeNowMs() })));
  }

  async read<AnswerT>(target: string): Promise<AnswerT> {
    return (await this.readPlaced<AnswerT>(target)).answer;
  }

  async readPlaced<AnswerT>(target: string): Promise<{ answer: AnswerT; cursor: number }> {
    const { time_ms, signature } = await this.asks(target);
    return askPlaced<AnswerT>(target, {
      headers: {
        "Glassbook-Account": this.account,
        "Glassbook-Key": this.key.publicText,
        "Glassbook-Time": String(time_ms),
        "Glassbook-Signature": signature,
      },
    });
  }

  /** What the stream of the account is subscribed to with. */
  async auth(): Promise<unknown> {
    return { account: this.account, key: this.key.publicText, ...(await this.asks("/ws/account")) };
  }

  private async asks(target: string): Promise<{ time_ms: number; signature: string }> {
    const time_ms = exchangeNowMs();
    const lines = ["glassbook read v1", this.exchange, "GET", target, this.account, String(time_ms)];
    return { time_ms, signature: await sign(this.key, utf8(lines.join("\n"))) };
  }

  /** The command stands in the body just as it was signed. */
  private async body(text: string): Promise<string> {
    const signature = await sign(this.key, utf8(text));
    const { delegation } = this.key;
    const carried = delegation === undefined ? "" : `,"delegation":${JSON.stringify(delegation)}`;
    return `{"command":${text},"key":"${this.key.publicText}","signature":"${signature}"${carried}}`;
  }
}
