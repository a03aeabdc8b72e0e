/** Every page and its address. The trade page comes with the first download; the others when somebody goes there. */

import type { RouteObject } from "react-router";

import { Broken, NotFound } from "./shell/elsewhere";
import { Shell } from "./shell/shell";
import { ToFirstMarket, TradePage } from "./trade/trade-page";

export const routes: RouteObject[] = [
  {
    element: <Shell />,
    errorElement: <Broken />,
    children: [
      { path: "/", element: <ToFirstMarket /> },
      { path: "/trade/:symbol", element: <TradePage /> },
      {
        path: "/status",
        lazy: async () => ({ Component: (await import("./status/status-page")).StatusPage }),
      },
      {
        path: "/sign-in",
        lazy: async () => ({ Component: (await import("./account/sign-in-page")).SignInPage }),
      },
      {
        path: "/sign-up",
        lazy: async () => ({ Component: (await import("./account/sign-up-page")).SignUpPage }),
      },
      { path: "*", element: <NotFound /> },
    ],
  },
];
