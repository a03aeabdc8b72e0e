/** How the page is connected: both sockets, how long the server takes to answer, how far the journal is known. */

import { create } from "zustand";

import type { LinkState } from "../wire/socket";

interface Links {
  market: LinkState;
  user: LinkState;
  latencyMs: number | null;
  /** The newest journal entry heard of. */
  sequence: number | null;
  /** Times that a gap in a stream made the page ask for everything anew. */
  resyncs: number;
  messages: number;
}

export const useLinks = create<Links>(() => ({
  market: { kind: "idle" },
  user: { kind: "idle" },
  latencyMs: null,
  sequence: null,
  resyncs: 0,
  messages: 0,
}));
