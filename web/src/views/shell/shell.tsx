import { CSPProvider } from "@base-ui/react/csp-provider";
import { useEffect } from "react";
import { Link, NavLink, Outlet, ScrollRestoration, useLocation } from "react-router";

import { t } from "../../strings";
import { useStaff } from "../../selectors/operator";
import { useLinks } from "../../state/links";
import { useSession } from "../../state/session";
import { Notices } from "../parts/notices";
import { FillNotices } from "../trade/fill-notices";
import { AccountMenu } from "./account-menu";
import { ConnectionBadge } from "./connection";

export function Shell() {
  return (
    <CSPProvider disableStyleElements>
      <div className="shell">
        <a className="skip" href="#main">
          {t.shell.skip}
        </a>
        <TopBar />
        <ConnectionBanner />
        <main id="main" tabIndex={-1}>
          <Outlet />
        </main>
      </div>
      <Notices />
      <FillNotices />
      <FocusOnNavigation />
      <ScrollRestoration />
    </CSPProvider>
  );
}

function TopBar() {
  const isSignedIn = useSession(({ session }) => session.kind === "signedIn");
  return (
    <header className="topbar">
      <Link className="brand" to="/" aria-label={t.shell.home}>
        <img src="/icon.svg" alt="" width="24" height="24" />
        <span>{t.shell.name}</span>
      </Link>
      <nav className="topnav" aria-label={t.shell.navigation}>
        <ul>
          <li>
            <TradeLink />
          </li>
          {isSignedIn && <AccountLinks />}
          <li>
            <NavLink to="/status">{t.shell.status}</NavLink>
          </li>
        </ul>
      </nav>
      <div className="topbar-end">
        <ConnectionBadge />
        <AccountMenu />
      </div>
    </header>
  );
}

function TradeLink() {
  const { pathname } = useLocation();
  const isHere = pathname === "/" || pathname.startsWith("/trade/");
  return (
    <Link to={isHere ? pathname : "/"} aria-current={isHere ? "page" : undefined}>
      {t.shell.trade}
    </Link>
  );
}

function AccountLinks() {
  const { data: staff } = useStaff();
  return (
    <>
      <li>
        <NavLink to="/wallet">{t.shell.wallet}</NavLink>
      </li>
      <li>
        <NavLink to="/account">{t.shell.account}</NavLink>
      </li>
      {staff !== undefined && staff.actions.length > 0 && (
        <li>
          <NavLink to="/operator">{t.shell.operator}</NavLink>
        </li>
      )}
    </>
  );
}

function ConnectionBanner() {
  const kind = useLinks(({ market }) => market.kind);
  if (kind !== "waiting" && kind !== "offline") return null;
  return (
    <div className="banner" role="status">
      {t.shell.links[kind]} {t.shell.links.stale}
    </div>
  );
}

/** Pages change without loading: keyboard and screen reader begin anew at the top of the page. */
function FocusOnNavigation() {
  const { pathname } = useLocation();
  const place = pathname.split("/")[1] ?? "";
  useEffect(() => {
    const active = document.activeElement;
    if (active instanceof HTMLAnchorElement && active.closest(".topnav") !== null) {
      document.getElementById("main")?.focus({ preventScroll: true });
    }
  }, [place]);
  return null;
}
