export function About() {
  return (
    <div class="stack">
      <p>
        An exchange that you can see through. Every order is signed by its owner, every order and fill lies on a log,
        every fill is derived a second time, and every balance can be worked out again by anyone.
      </p>
      <p>
        <a href="/docs">API</a> · <a href="/refusals">Refusals</a> · <a href="/openapi.json">OpenAPI</a>
      </p>
      <p class="muted">
        Candles are drawn by{" "}
        <a href="https://www.tradingview.com/" rel="noreferrer">
          TradingView
        </a>{" "}
        Lightweight Charts™, Copyright © 2025 TradingView, Inc., under the Apache License 2.0. The typeface is Inter,
        under the SIL Open Font License.
      </p>
    </div>
  );
}
