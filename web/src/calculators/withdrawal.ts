/** A withdrawal as it is written, checked against its network before anything is sent. */

import { type E8, e8, isOnGrid, parseAmount, plain } from "./money";

export interface NetworkRules {
  minimum: string;
  fee: string;
  step: string;
  needsMemo: boolean;
  addressPattern: string;
}

export interface WithdrawalForm {
  amount: string;
  address: string;
  memo: string;
}

export type WithdrawalProblem =
  | { field: "amount"; key: "amount" | "notEnough" }
  | { field: "amount"; key: "minimum" | "step"; bound: string }
  | { field: "address"; key: "address" }
  | { field: "memo"; key: "memo" };

export function checkWithdrawal(form: WithdrawalForm, rules: NetworkRules, free: E8): WithdrawalProblem[] {
  const found: WithdrawalProblem[] = [];
  const amount = parseAmount(form.amount);
  const step = e8(rules.step);
  if (amount === null || amount === 0n) found.push({ field: "amount", key: "amount" });
  else if (amount < e8(rules.minimum)) {
    found.push({ field: "amount", key: "minimum", bound: plain(e8(rules.minimum)) });
  } else if (!isOnGrid(amount, step)) found.push({ field: "amount", key: "step", bound: plain(step) });
  else if (amount > free) found.push({ field: "amount", key: "notEnough" });
  if (!matches(form.address, rules.addressPattern)) found.push({ field: "address", key: "address" });
  if (rules.needsMemo && form.memo.trim() === "") found.push({ field: "memo", key: "memo" });
  return found;
}

/** A pattern that this browser cannot read is for the exchange to check. */
function matches(address: string, pattern: string): boolean {
  if (address.trim() === "") return false;
  try {
    return new RegExp(`^(?:${pattern})$`).test(address.trim());
  } catch {
    return true;
  }
}

/** What arrives: the fee is paid from the amount. */
export function arrives(amount: string, fee: string): E8 | null {
  const parsed = parseAmount(amount);
  if (parsed === null || parsed <= e8(fee)) return null;
  return parsed - e8(fee);
}
