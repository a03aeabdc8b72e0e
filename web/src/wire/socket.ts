/**
 * A WebSocket that comes back. It reconnects with growing, spread pauses, at once when the machine is online again, and
 * notices silence: a probe that is not answered in time ends the connection.
 */

import { backoffMs } from "../calculators/backoff";

const PROBE_MS = 10_000;
const ANSWER_MS = 8_000;
/** A connection that lasted this long starts the next series of attempts from the shortest pause. */
const STABLE_MS = 5_000;

export type LinkState =
  | { kind: "idle" }
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "waiting"; attempt: number }
  | { kind: "offline" };

export interface SocketEvents {
  onOpen: () => void;
  onMessage: (message: unknown) => void;
  onState: (state: LinkState) => void;
  /** How long the server took to answer a probe. */
  onLatency: (milliseconds: number) => void;
  /** A request that the server answers without doing anything. */
  probe: (id: number) => object;
}

export class Socket {
  readonly #url: () => string;
  readonly #events: SocketEvents;
  #socket: WebSocket | null = null;
  #attempt = 0;
  #openedAt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #pulse: ReturnType<typeof setInterval> | undefined;
  #answer: ReturnType<typeof setTimeout> | undefined;
  #probe = { id: 0, sentAt: 0 };
  #isWanted = false;

  constructor(url: () => string, events: SocketEvents) {
    this.#url = url;
    this.#events = events;
  }

  start(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    window.addEventListener("online", this.#onOnline);
    window.addEventListener("offline", this.#onOffline);
    this.#connect();
  }

  stop(): void {
    this.#isWanted = false;
    window.removeEventListener("online", this.#onOnline);
    window.removeEventListener("offline", this.#onOffline);
    clearTimeout(this.#retry);
    this.#drop();
    this.#events.onState({ kind: "idle" });
  }

  /** True if it went out; while the connection is down `onOpen` is the place to say everything again. */
  send(message: object): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** An answer to a request, told by its id, may be a probe's. */
  answered(id: unknown): boolean {
    if (id !== this.#probe.id || this.#probe.sentAt === 0) return false;
    clearTimeout(this.#answer);
    this.#events.onLatency(performance.now() - this.#probe.sentAt);
    this.#probe.sentAt = 0;
    return true;
  }

  readonly #onOnline = (): void => {
    this.#attempt = 0;
    this.#drop();
    this.#connect();
  };

  readonly #onOffline = (): void => {
    clearTimeout(this.#retry);
    this.#drop();
    this.#events.onState({ kind: "offline" });
  };

  #connect(): void {
    clearTimeout(this.#retry);
    this.#events.onState({ kind: "connecting" });
    const socket = new WebSocket(this.#url());
    this.#socket = socket;
    socket.onopen = () => {
      this.#openedAt = performance.now();
      this.#events.onState({ kind: "open" });
      this.#pulse = setInterval(this.#sendProbe, PROBE_MS);
      this.#events.onOpen();
      this.#sendProbe();
    };
    socket.onmessage = (event: MessageEvent<string>) => this.#events.onMessage(JSON.parse(event.data));
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#drop();
      this.#reconnect();
    };
  }

  #reconnect(): void {
    if (!this.#isWanted) return;
    if (!navigator.onLine) {
      this.#events.onState({ kind: "offline" });
      return;
    }
    if (performance.now() - this.#openedAt > STABLE_MS && this.#openedAt > 0) this.#attempt = 0;
    this.#openedAt = 0;
    this.#events.onState({ kind: "waiting", attempt: this.#attempt + 1 });
    this.#retry = setTimeout(() => this.#connect(), backoffMs(this.#attempt, Math.random()));
    this.#attempt += 1;
  }

  #drop(): void {
    clearInterval(this.#pulse);
    clearTimeout(this.#answer);
    this.#probe.sentAt = 0;
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onmessage = null;
    socket.close();
  }

  readonly #sendProbe = (): void => {
    if (this.#probe.sentAt !== 0) return;
    this.#probe = { id: this.#probe.id - 1, sentAt: performance.now() };
    if (!this.send(this.#events.probe(this.#probe.id))) return;
    this.#answer = setTimeout(() => this.#socket?.close(), ANSWER_MS);
  };
}
