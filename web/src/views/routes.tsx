/** Every page and its address. The trade page comes with the first download; the others when somebody goes there. */

import type { ComponentType } from "react";
import type { RouteObject } from "react-router";

import { Waiting } from "./parts/states";
import { Broken, NotFound } from "./shell/elsewhere";
import { Shell } from "./shell/shell";
import { ToFirstMarket, TradePage } from "./trade/trade-page";

/** One component of a module that is fetched when its address is first visited. */
function page<K extends string>(
  load: () => Promise<Record<K, ComponentType>>,
  name: K,
): Pick<RouteObject, "lazy"> {
  return { lazy: async () => ({ Component: (await load())[name] }) };
}

export const routes: RouteObject[] = [
  {
    element: <Shell />,
    errorElement: <Broken />,
    hydrateFallbackElement: <Waiting />,
    children: [
      { path: "/", element: <ToFirstMarket /> },
      { path: "/trade/:symbol", element: <TradePage /> },
      { path: "/status", ...page(() => import("./status/status-page"), "StatusPage") },
      { path: "/sign-in", ...page(() => import("./account/sign-in-page"), "SignInPage") },
      { path: "/sign-up", ...page(() => import("./account/sign-up-page"), "SignUpPage") },
      { path: "/confirm-email", ...page(() => import("./account/mail-pages"), "ConfirmEmailPage") },
      { path: "/forgot-password", ...page(() => import("./account/mail-pages"), "ForgotPasswordPage") },
      { path: "/reset-password", ...page(() => import("./account/mail-pages"), "ResetPasswordPage") },
      {
        path: "/account",
        ...page(() => import("./account/account-pages"), "AccountPages"),
        children: [
          { index: true, ...page(() => import("./account/security-page"), "SecurityPage") },
          { path: "api-keys", ...page(() => import("./account/api-keys-page"), "ApiKeysPage") },
          { path: "notices", ...page(() => import("./account/notices-page"), "NoticesPage") },
          { path: "activity", ...page(() => import("./account/activity-page"), "ActivityPage") },
        ],
      },
      {
        path: "/wallet",
        ...page(() => import("./wallet/wallet-pages"), "WalletPages"),
        children: [
          { index: true, ...page(() => import("./wallet/balances-page"), "BalancesPage") },
          { path: "deposit", ...page(() => import("./wallet/deposit-page"), "DepositPage") },
          { path: "withdraw", ...page(() => import("./wallet/withdraw-page"), "WithdrawPage") },
          { path: "addresses", ...page(() => import("./wallet/address-book-page"), "AddressBookPage") },
          { path: "statement", ...page(() => import("./wallet/statement-page"), "StatementPage") },
        ],
      },
      {
        path: "/operator",
        ...page(() => import("./operator/operator-pages"), "OperatorPages"),
        children: [
          { index: true, ...page(() => import("./operator/users-page"), "UsersPage") },
          { path: "users/:accountId", ...page(() => import("./operator/user-page"), "UserPage") },
          {
            path: "withdrawals",
            ...page(() => import("./operator/withdrawals-page"), "StaffWithdrawalsPage"),
          },
          { path: "markets", ...page(() => import("./operator/markets-page"), "MarketsPage") },
          { path: "audit", ...page(() => import("./operator/audit-page"), "AuditPage") },
        ],
      },
      { path: "*", element: <NotFound /> },
    ],
  },
];
