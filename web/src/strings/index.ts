/** Every text of the page, in English, in one place. */

import { account } from "./account";
import { operator } from "./operator";
import { shell } from "./shell";
import { trade } from "./trade";
import { wallet } from "./wallet";

export const t = { account, operator, shell, trade, wallet } as const;
