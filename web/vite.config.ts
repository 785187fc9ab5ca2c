// The page is built into dist/, which the gateway serves: every asset has its content's hash in its name.
import { defineConfig } from "vite";

export default defineConfig({
  build: {
    target: "es2022",
    // Data URLs would need their own permission in the page's Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: {
    proxy: { "/api": "http://127.0.0.1:8000", "/ws": { target: "ws://127.0.0.1:8000", ws: true } },
  },
});
