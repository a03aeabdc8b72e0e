/** Requests and their outcomes: an answer, a refusal by the exchange, or nobody there. */

import { apiUrl } from "./config";

const TIMEOUT_MS = 15_000;

/** The exchange answered, and the answer is no. `code` is the dialect's number or a service's own word. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: number | string;

  constructor(status: number, code: number | string, message: string) {
    super(message);
    this.name = "Refusal";
    this.status = status;
    this.code = code;
  }
}

/** No answer: offline, timed out, or a gateway without anybody behind it. What was asked may have been done. */
export class Unreachable extends Error {
  constructor() {
    super("unreachable");
    this.name = "Unreachable";
  }
}

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface Send {
  method: Method;
  path: string;
  headers?: Record<string, string>;
  body?: string;
  credentials?: RequestCredentials;
  /** The answer is text to be passed on, not JSON. */
  isText?: boolean;
}

interface ErrorBody {
  code?: number | string;
  msg?: string;
  message?: string;
}

export async function send<T>({ method, path, headers, body, credentials, isText }: Send): Promise<T> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(apiUrl(path), {
      method,
      headers: headers ?? {},
      body: body ?? null,
      credentials: credentials ?? "omit",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch {
    throw new Unreachable();
  }
  if (response.ok && isText === true) return text as T;
  const content = parse(text);
  if (response.ok) return content as T;
  const error = (content ?? {}) as ErrorBody;
  throw new Refusal(
    response.status,
    error.code ?? response.status,
    error.msg ?? error.message ?? response.statusText,
  );
}

function parse(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** An order of the dialect is a form; undefined parameters are left out. */
export function toQuery(parameters: Record<string, string | number | undefined>): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
}
