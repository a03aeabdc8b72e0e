import { lazy, Suspense } from "react";
import { Link, useLocation } from "react-router";

import type { Market } from "../../calculators/markets";
import { useSession } from "../../state/session";
import { t } from "../../strings";
import { Nothing, Waiting } from "../parts/states";

// Tables are only for who has orders to show.
const OrderTabs = lazy(() => import("./order-tabs"));

export function OrdersPanel({ market }: { market: Market }) {
  const kind = useSession(({ session }) => session.kind);
  return (
    <section className="panel area-orders" aria-label={t.trade.orders.title}>
      {kind === "unknown" && <Waiting />}
      {kind === "signedOut" && <SignIn />}
      {kind === "signedIn" && (
        <Suspense fallback={<Waiting />}>
          <OrderTabs market={market} />
        </Suspense>
      )}
    </section>
  );
}

function SignIn() {
  const { pathname } = useLocation();
  return (
    <>
      <div className="panel-head">
        <h2>{t.trade.orders.title}</h2>
      </div>
      <Nothing>
        <p>{t.trade.orders.signIn}</p>
        <Link className="button" to="/sign-in" state={{ from: pathname }}>
          {t.shell.signIn}
        </Link>
      </Nothing>
    </>
  );
}
