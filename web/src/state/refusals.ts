import { Refusal, Unreachable } from "../wire/http";

/** The exchange's refusal, or null when nobody answered. Anything else is a mistake of the page and goes on its way. */
export function refusalOf(error: unknown): { code: number | string; message: string; status: number } | null {
  if (error instanceof Refusal) return error;
  if (error instanceof Unreachable) return null;
  throw error;
}
