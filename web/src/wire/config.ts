/** What the page is told by whoever serves it: /config.json, read once before anything else. */

import type { ServerConfig } from "./types";

let config: ServerConfig = { apiOrigin: "", demoFunds: false, outbox: false };

export async function loadConfig(): Promise<void> {
  try {
    const response = await fetch("/config.json", { credentials: "same-origin" });
    if (response.ok) config = { ...config, ...((await response.json()) as Partial<ServerConfig>) };
  } catch {
    // Offline at the very start: the page's own origin is the best guess, and the connection state says the rest.
  }
}

export const serverConfig = (): ServerConfig => config;
export const apiUrl = (path: string): string => config.apiOrigin + path;

export function socketUrl(path: string): string {
  const origin = config.apiOrigin === "" ? window.location.origin : config.apiOrigin;
  return origin.replace(/^http/, "ws") + path;
}
