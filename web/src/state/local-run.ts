/** What only an exchange on one's own machine offers: play money, and an account at one click. */

import { parseAmount, plain } from "../calculators/money";
import { register } from "../wire/auth";
import { serverConfig } from "../wire/config";
import { demoFunds } from "../wire/rest";
import { signIn } from "./session";

export const offersDemoFunds = (): boolean => serverConfig().demoFunds;
export const hasOutbox = (): boolean => serverConfig().outbox === true;

/** What came in now, ready to be read; empty when today's was given before. */
export async function getDemoFunds(): Promise<string> {
  const { given } = await demoFunds();
  return Object.entries(given)
    .map(([asset, amount]) => `${plain(parseAmount(amount) ?? 0n)} ${asset}`)
    .join(", ");
}

/** An account like any other, with an address nobody reads and a password nobody knows. */
export async function openThrowAway(): Promise<void> {
  const name = `visitor-${crypto.randomUUID().slice(0, 8)}@example.com`;
  const password = crypto.randomUUID();
  await register(name, password);
  await signIn(name, password);
  await getDemoFunds();
}
