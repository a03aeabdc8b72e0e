/**
 * The session. The access token lives in this module's memory and nowhere else; the refresh token lives in a cookie
 * that scripts cannot read and that goes to the auth service only. So a page that is loaded again asks for a new access
 * token, and a stolen storage holds nothing.
 */

import { send } from "./http";

interface Tokens {
  accessToken: string;
  expiresInS: number;
}

interface SecondFactorNeeded {
  secondFactorRequired: true;
  challengeToken: string;
}

/** Either the session has begun, or a code of the second factor is asked for with this token. */
export type SignedIn = { kind: "done" } | { kind: "codeNeeded"; challengeToken: string };

const EARLY_MS = 30_000;
/** A page of another site cannot add it, so it is also the defence against them. */
const IN_COOKIES = { "X-Crossbook-Session": "cookie" };

let current: { token: string; expiresAt: number } | null = null;
let refreshing: Promise<string | null> | null = null;
let onEnded: () => void = () => undefined;

/** Told when a session that was thought alive turns out to have ended. */
export function whenEnded(callback: () => void): void {
  onEnded = callback;
}

export async function signIn(email: string, password: string): Promise<SignedIn> {
  const answer = await post<Tokens | SecondFactorNeeded>("/auth/v1/login", { email, password });
  if ("secondFactorRequired" in answer) return { kind: "codeNeeded", challengeToken: answer.challengeToken };
  keep(answer);
  return { kind: "done" };
}

export async function signInWithCode(challengeToken: string, code: string): Promise<void> {
  keep(await post<Tokens>("/auth/v1/login/second-factor", { challengeToken, code }));
}

export const register = (email: string, password: string): Promise<{ confirmationRequired: boolean }> =>
  post("/auth/v1/register", { email, password });
export const confirmEmail = (token: string): Promise<unknown> => post("/auth/v1/email/confirm", { token });
export const resendConfirmation = (email: string): Promise<unknown> =>
  post("/auth/v1/email/resend", { email });
export const forgotPassword = (email: string): Promise<unknown> =>
  post("/auth/v1/password/forgot", { email });
export const resetPassword = (token: string, password: string): Promise<unknown> =>
  post("/auth/v1/password/reset", { token, password });

export async function signOut(): Promise<void> {
  const token = await accessToken();
  current = null;
  if (token === null) return;
  await send({
    method: "POST",
    path: "/auth/v1/logout",
    headers: { ...IN_COOKIES, Authorization: `Bearer ${token}` },
    credentials: "include",
  });
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

/** One at a time, also among this browser's tabs: a refresh token works once, and using it twice ends the session. */
export function refresh(): Promise<string | null> {
  refreshing ??= oneTabAtATime(exchange).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

function oneTabAtATime<T>(work: () => Promise<T>): Promise<T> {
  // Browsers have locks on secure origins and on this machine only.
  return "locks" in navigator ? navigator.locks.request("crossbook-refresh", work) : work();
}

async function exchange(): Promise<string | null> {
  const wasAlive = current !== null;
  try {
    keep(await post<Tokens>("/auth/v1/refresh", {}));
    return current?.token ?? null;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "Refusal") throw error;
    current = null;
    if (wasAlive) onEnded();
    return null;
  }
}

function keep(tokens: Tokens): void {
  current = { token: tokens.accessToken, expiresAt: Date.now() + tokens.expiresInS * 1000 };
}

function post<T>(path: string, content: object): Promise<T> {
  return send({
    method: "POST",
    path,
    headers: { ...IN_COOKIES, "Content-Type": "application/json" },
    body: JSON.stringify(content),
    credentials: "include",
  });
}
