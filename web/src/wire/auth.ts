/**
 * The session. The access token lives in this module's memory and nowhere else; the refresh token lives in a cookie
 * that scripts cannot read. So reloading the page asks for a new access token, and a stolen storage holds nothing.
 */

import { send } from "./http";

interface Tokens {
  accessToken: string;
  expiresInS: number;
  refreshToken?: string;
}

const EARLY_MS = 30_000;

let current: { token: string; expiresAt: number; refreshToken: string | undefined } | null = null;
let refreshing: Promise<string | null> | null = null;
let onEnded: () => void = () => undefined;

/** Told when a session that was thought alive turns out to have ended. */
export function whenEnded(callback: () => void): void {
  onEnded = callback;
}

export async function signIn(email: string, password: string, code?: string): Promise<void> {
  keep(await post<Tokens>("/auth/v1/login", { email, password, ...(code === undefined ? {} : { code }) }));
}

export const register = (email: string, password: string): Promise<{ accountId: number }> =>
  post("/auth/v1/register", { email, password });

export async function signOut(): Promise<void> {
  const token = await accessToken();
  current = null;
  if (token !== null) await authorized("POST", "/auth/v1/logout", token);
}

/** The address of whoever is still signed in after the page was loaded, or null. */
export async function resumeSession(): Promise<string | null> {
  const token = await refresh();
  if (token === null) return null;
  const account = await send<{ email: string | null }>({
    method: "GET",
    path: "/auth/v1/account",
    headers: { Authorization: `Bearer ${token}` },
  });
  return account.email ?? "";
}

/** A token that is good for a while, or null when nobody is signed in. */
export async function accessToken(): Promise<string | null> {
  if (current === null) return null;
  if (Date.now() < current.expiresAt - EARLY_MS) return current.token;
  return refresh();
}

/** One at a time: a refresh token works once. */
export function refresh(): Promise<string | null> {
  refreshing ??= exchange().finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function exchange(): Promise<string | null> {
  const refreshToken = current?.refreshToken;
  if (refreshToken === undefined) return null;
  try {
    keep(await post<Tokens>("/auth/v1/refresh", { refreshToken }));
    return current?.token ?? null;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "Refusal") throw error;
    current = null;
    onEnded();
    return null;
  }
}

function keep(tokens: Tokens): void {
  current = {
    token: tokens.accessToken,
    expiresAt: Date.now() + tokens.expiresInS * 1000,
    refreshToken: tokens.refreshToken,
  };
}

function post<T>(path: string, content: object): Promise<T> {
  return send({
    method: "POST",
    path,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
    credentials: "include",
  });
}

function authorized(method: "POST", path: string, token: string): Promise<unknown> {
  return send({ method, path, headers: { Authorization: `Bearer ${token}` }, credentials: "include" });
}
