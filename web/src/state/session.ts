/** Who is signed in, and what belongs to them live: open orders, balances, the latest fills. */

import { create } from "zustand";

import {
  type Balances,
  isOpen,
  fromRow,
  type Order,
  sortNewest,
  toBalances,
  withPosition,
  withReport,
} from "../calculators/orders";
import { e8, type E8 } from "../calculators/money";
import * as auth from "../wire/auth";
import { Refusal } from "../wire/http";
import { account, openOrders } from "../wire/rest";
import type { ExecutionReport, UserEvent } from "../wire/types";
import { UserStream } from "../wire/user-stream";
import { useLinks } from "./links";
import { rememberSignedIn, usePreferences } from "./preferences";

export type Session =
  { kind: "unknown" } | { kind: "signedOut"; hasEnded: boolean } | { kind: "signedIn"; email: string };

export interface Owned {
  status: "loading" | "ready" | "failed";
  orders: readonly Order[];
  balances: Balances;
  accountId: number | null;
  makerRate: E8;
  takerRate: E8;
  canTrade: boolean;
  /** Counts what ended or filled, so that histories know when to look again. */
  changes: number;
}

const NOBODY: Owned = {
  status: "loading",
  orders: [],
  balances: {},
  accountId: null,
  makerRate: 0n,
  takerRate: 0n,
  canTrade: true,
  changes: 0,
};

export const useSession = create<{ session: Session; owned: Owned }>(() => ({
  session: { kind: "unknown" },
  owned: NOBODY,
}));

type ReportListener = (report: ExecutionReport) => void;
const reportListeners = new Set<ReportListener>();

/** Be told of every execution report, for notices. */
export function onReport(listener: ReportListener): () => void {
  reportListeners.add(listener);
  return () => reportListeners.delete(listener);
}

// Events that come while REST is being read are newer than its answers or repeat them: they are folded in afterwards.
let waiting: UserEvent[] | null = null;
let reading = 0;

const stream = new UserStream({
  onState: (user) => useLinks.setState({ user }),
  onSequence: (sequence) =>
    useLinks.setState((links) => ({ sequence: Math.max(sequence, links.sequence ?? 0) })),
  onAnew: () => void readOwned(),
  onEvent: (event) => {
    if (waiting === null) fold(event);
    else waiting.push(event);
  },
});

async function readOwned(): Promise<void> {
  reading += 1;
  const turn = reading;
  waiting = [];
  try {
    const [orders, info] = await Promise.all([openOrders(), account()]);
    if (turn !== reading) return;
    patch({
      status: "ready",
      orders: sortNewest(orders.map(fromRow).filter(isOpen)),
      balances: toBalances(info.balances),
      accountId: info.uid,
      makerRate: e8(info.commissionRates.maker),
      takerRate: e8(info.commissionRates.taker),
      canTrade: info.canTrade,
    });
  } catch (error) {
    if (turn !== reading) return;
    if (error instanceof Refusal && error.status === 401) return;
    patch({ status: useSession.getState().owned.status === "ready" ? "ready" : "failed" });
    setTimeout(() => {
      if (turn === reading && useSession.getState().session.kind === "signedIn") void readOwned();
    }, RETRY_MS);
  }
  const missed = waiting;
  waiting = null;
  for (const event of missed) fold(event);
}

const RETRY_MS = 2_000;

function fold(event: UserEvent): void {
  const { owned } = useSession.getState();
  if (event.e === "executionReport") {
    patch({ orders: withReport(owned.orders, event), changes: owned.changes + 1 });
    for (const listener of reportListeners) listener(event);
  } else if (event.e === "outboundAccountPosition") {
    patch({ balances: withPosition(owned.balances, event) });
  } else if (event.e === "balanceUpdate") {
    patch({ changes: owned.changes + 1 });
  }
}

function patch(changed: Partial<Owned>): void {
  useSession.setState(({ owned }) => ({ owned: { ...owned, ...changed } }));
}

function begin(email: string): void {
  rememberSignedIn(true);
  useSession.setState({ session: { kind: "signedIn", email }, owned: NOBODY });
  stream.start();
}

function end(hasEnded: boolean): void {
  reading += 1;
  waiting = null;
  stream.stop();
  useSession.setState({ session: { kind: "signedOut", hasEnded }, owned: NOBODY });
}

auth.whenEnded(() => end(true));

/** Ask whether an earlier visit left a session; not where nobody has ever signed in. */
export async function resume(): Promise<void> {
  if (!usePreferences.getState().hasSignedIn) {
    end(false);
    return;
  }
  try {
    const email = await auth.resumeSession();
    if (email !== null) begin(email);
    else end(false);
  } catch {
    end(false);
  }
}

export async function signIn(email: string, password: string): Promise<auth.SignedIn> {
  const outcome = await auth.signIn(email, password);
  if (outcome.kind === "done") begin(email);
  return outcome;
}

export async function signInWithCode(email: string, challengeToken: string, code: string): Promise<void> {
  await auth.signInWithCode(challengeToken, code);
  begin(email);
}

export async function signOut(): Promise<void> {
  try {
    await auth.signOut();
  } finally {
    rememberSignedIn(false);
    end(false);
  }
}

export const reload = (): void => void readOwned();

/** Either signed in, or the link in a mail has to be followed first. */
export async function signUp(email: string, password: string): Promise<"done" | "confirm"> {
  const { confirmationRequired } = await auth.register(email, password);
  if (confirmationRequired) return "confirm";
  await signIn(email, password);
  return "done";
}

export { confirmEmail, forgotPassword, resendConfirmation, resetPassword } from "../wire/auth";
