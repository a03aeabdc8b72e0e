import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `npm run dev` shows the page with the API of an exchange that runs here: CROSSBOOK_URL, or the usual address.
const exchange = process.env.CROSSBOOK_URL ?? "http://127.0.0.1:8080";
const prefixes = ["/api", "/auth", "/wallet", "/admin", "/notifier", "/local", "/config.json"];
const sockets = ["/stream", "/ws-api"];

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    sourcemap: false,
    // Small files stay files: the content security policy allows no data: addresses for fonts and scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
  },
  server: {
    proxy: {
      ...Object.fromEntries(prefixes.map((prefix) => [prefix, { target: exchange }])),
      ...Object.fromEntries(sockets.map((prefix) => [prefix, { target: exchange, ws: true }])),
    },
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
