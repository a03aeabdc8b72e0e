/** What account forms take, checked before anything is sent. */

import * as z from "zod/mini";

import { t } from "../../strings";

// The content security policy allows no code made of text, not even to find out whether it does.
z.config({ jitless: true });

export const PASSWORD_CHARS_MIN = 8;

const email = z.string().check(z.trim(), z.regex(/^[^\s@]+@[^\s@]+\.[^\s@]+$/, t.account.emailInvalid));
const password = z.string().check(z.minLength(PASSWORD_CHARS_MIN, t.account.passwordShort));

export const credentials = z.object({ email, password });
export type Credentials = z.infer<typeof credentials>;
