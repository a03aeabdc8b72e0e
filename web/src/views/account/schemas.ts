/** What account forms take, checked before anything is sent. */

import * as z from "zod/mini";

import { t } from "../../strings";

// The content security policy allows no code made of text, not even to find out whether it does.
z.config({ jitless: true });

export const PASSWORD_CHARS_MIN = 8;

const email = z.string().check(z.trim(), z.regex(/^[^\s@]+@[^\s@]+\.[^\s@]+$/, t.account.emailInvalid));
const password = z.string().check(z.minLength(PASSWORD_CHARS_MIN, t.account.passwordShort));
const given = z.string().check(z.trim(), z.minLength(1, t.account.required));

export const credentials = z.object({ email, password });
export type Credentials = z.infer<typeof credentials>;

export const address = z.object({ email });
export type Address = z.infer<typeof address>;

export const oneCode = z.object({ code: given });
export type OneCode = z.infer<typeof oneCode>;

export const newPassword = z.object({ password });
export type NewPassword = z.infer<typeof newPassword>;

export const passwordChange = z.object({ current: given, next: password });
export type PasswordChange = z.infer<typeof passwordChange>;

export const passwordOnly = z.object({ password: given });
export type PasswordOnly = z.infer<typeof passwordOnly>;

const lines = (text: string): string[] =>
  text
    .split(/[\s,]+/)
    .map((line) => line.trim())
    .filter((line) => line !== "");

export const apiKey = z
  .object({
    label: given,
    read: z.boolean(),
    trade: z.boolean(),
    withdraw: z.boolean(),
    addresses: z.string(),
    publicKey: z.string(),
  })
  .check(
    z.refine((key) => key.read || key.trade || key.withdraw, {
      error: t.account.apiKeys.needsPermission,
      path: ["read"],
    }),
    z.refine((key) => !key.withdraw || lines(key.addresses).length > 0, {
      error: t.account.apiKeys.withdrawNeedsAddress,
      path: ["addresses"],
    }),
  );
export type ApiKeyForm = z.infer<typeof apiKey>;
export { lines as toLines };
