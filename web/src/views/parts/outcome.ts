import type { Outcome } from "../../state/trading";
import { t } from "../../strings";
import { say, warn } from "./notices";

/** Tell what became of a request; true if it was done. */
export function tell(outcome: Outcome, done: string): boolean {
  switch (outcome.kind) {
    case "done":
      say(done);
      return true;
    case "refused":
      warn(t.trade.notices.refused, inWords(outcome.error.code, outcome.error.message));
      return false;
    case "unreachable":
      warn(t.trade.notices.refused, t.trade.notices.unreachable);
      return false;
    case "unknown":
      warn(t.trade.notices.unknown);
      return false;
  }
}

function inWords(code: number | string, message: string): string {
  const known = t.trade.errors[String(code)];
  if (known === undefined) return message;
  return code === -2010 || code === -1013 ? `${known}: ${message}` : known;
}
