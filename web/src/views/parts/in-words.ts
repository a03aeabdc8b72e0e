import { refusalOf } from "../../state/refusals";
import { t } from "../../strings";

/** What a failed request means to the person who made it. */
export function inWords(error: unknown): string {
  const refusal = refusalOf(error);
  if (refusal === null) return t.account.errors.unreachable ?? "";
  return t.account.errors[String(refusal.code)] ?? refusal.message;
}
