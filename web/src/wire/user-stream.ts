/**
 * An account's own events over /ws-api/v3. The subscription is proven by its first message (a browser sets no headers
 * on sockets) and resumes where the last one broke off, so nothing is missed or told twice.
 */

import { accessToken } from "./auth";
import { socketUrl } from "./config";
import { type LinkState, Socket } from "./socket";
import type { UserEvent } from "./types";

interface Answer {
  id?: unknown;
  status?: number;
  result?: { subscriptionId?: number; journalSequence?: number };
  error?: { code: number };
  event?: UserEvent;
}

export interface UserStreamEvents {
  onState: (state: LinkState) => void;
  onEvent: (event: UserEvent) => void;
  /** Events from here on come without the past: read everything anew over REST. */
  onAnew: () => void;
  /** The engine's journal had this number when the subscription began. */
  onSequence: (sequence: number) => void;
}

export class UserStream {
  readonly #socket: Socket;
  readonly #events: UserStreamEvents;
  #cursor: string | null = null;

  constructor(events: UserStreamEvents) {
    this.#events = events;
    this.#socket = new Socket(() => socketUrl("/ws-api/v3?returnRateLimits=false"), {
      onState: events.onState,
      onLatency: () => undefined,
      onOpen: () => void this.#subscribe(),
      onMessage: (message) => this.#onMessage(message as Answer),
      probe: (id) => ({ id, method: "ping" }),
    });
  }

  start(): void {
    this.#cursor = null;
    this.#socket.start();
  }

  stop(): void {
    this.#socket.stop();
    this.#cursor = null;
  }

  async #subscribe(): Promise<void> {
    const token = await accessToken();
    if (token === null) return;
    const resume = this.#cursor === null ? {} : { resume: this.#cursor };
    this.#socket.send({
      id: "subscribe",
      method: "userDataStream.subscribe.bearer",
      params: { accessToken: token, ...resume },
    });
  }

  #onMessage(message: Answer): void {
    if (message.event !== undefined) {
      if (message.event.e === "eventStreamTerminated") {
        this.#cursor = null;
        return;
      }
      this.#cursor = `${message.event.journalSequence}-${message.event.journalIndex}`;
      this.#events.onSequence(message.event.journalSequence);
      this.#events.onEvent(message.event);
      return;
    }
    if (message.id === "subscribe") this.#onSubscribed(message);
    else this.#socket.answered(message.id);
  }

  #onSubscribed(message: Answer): void {
    if (message.status === 200) {
      const sequence = message.result?.journalSequence;
      if (sequence !== undefined) this.#events.onSequence(sequence);
      if (this.#cursor === null) {
        if (sequence !== undefined) this.#cursor = String(sequence);
        this.#events.onAnew();
      }
      return;
    }
    const couldNotResume = this.#cursor !== null;
    this.#cursor = null;
    // The journal has moved on too far: begin anew. Anything else is tried again with the next connection.
    if (couldNotResume) void this.#subscribe();
  }
}
