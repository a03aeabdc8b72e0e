/** Every text of the page, in English, in one place. */

import { account } from "./account";
import { shell } from "./shell";
import { trade } from "./trade";

export const t = { account, shell, trade } as const;
