/** Market streams over one socket: whoever listens first subscribes, whoever leaves last unsubscribes. */

import { socketUrl } from "./config";
import { type LinkState, Socket } from "./socket";

type Listener = (data: unknown) => void;

/** Subscriptions of one moment travel in one message: the server counts messages. */
const GATHER_MS = 20;

export class MarketStreams {
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #opened = new Set<() => void>();
  readonly #socket: Socket;
  #wanted = new Set<string>();
  #subscribed = new Set<string>();
  #nextId = 1;
  #isGathering = false;

  constructor(onState: (state: LinkState) => void, onLatency: (milliseconds: number) => void) {
    this.#socket = new Socket(() => socketUrl("/stream"), {
      onState,
      onLatency,
      onOpen: () => {
        this.#subscribed = new Set();
        this.#settle();
        for (const callback of this.#opened) callback();
      },
      onMessage: (message) => this.#onMessage(message as { stream?: string; data?: unknown; id?: unknown }),
      // Probe ids are negative elsewhere; the dialect's are not.
      probe: (id) => ({ method: "LIST_SUBSCRIPTIONS", id: `probe${id}` }),
    });
  }

  start(): void {
    this.#socket.start();
  }

  /** Listen to a stream. `onOpened` is called now if connected, and after every reconnection: the past is gone then. */
  listen(stream: string, listener: Listener, onOpened?: () => void): () => void {
    const listeners = this.#listeners.get(stream) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(stream, listeners);
    this.#wanted.add(stream);
    if (onOpened !== undefined) this.#opened.add(onOpened);
    this.#gather();
    return () => {
      listeners.delete(listener);
      if (onOpened !== undefined) this.#opened.delete(onOpened);
      if (listeners.size > 0) return;
      this.#listeners.delete(stream);
      this.#wanted.delete(stream);
      this.#gather();
    };
  }

  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    setTimeout(() => {
      this.#isGathering = false;
      this.#settle();
    }, GATHER_MS);
  }

  #settle(): void {
    this.#say(
      "SUBSCRIBE",
      [...this.#wanted].filter((stream) => !this.#subscribed.has(stream)),
    );
    this.#say(
      "UNSUBSCRIBE",
      [...this.#subscribed].filter((stream) => !this.#wanted.has(stream)),
    );
  }

  #say(method: "SUBSCRIBE" | "UNSUBSCRIBE", streams: string[]): void {
    if (streams.length === 0) return;
    if (!this.#socket.send({ method, params: streams, id: this.#nextId })) return;
    this.#nextId += 1;
    for (const stream of streams) {
      if (method === "SUBSCRIBE") this.#subscribed.add(stream);
      else this.#subscribed.delete(stream);
    }
  }

  #onMessage(message: { stream?: string; data?: unknown; id?: unknown }): void {
    if (message.stream === undefined) {
      if (typeof message.id === "string") this.#socket.answered(parseProbe(message.id));
      return;
    }
    for (const listener of this.#listeners.get(message.stream) ?? []) listener(message.data);
  }
}

const parseProbe = (id: string): number => (id.startsWith("probe") ? Number.parseInt(id.slice(5), 10) : 0);
