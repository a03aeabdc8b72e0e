import { Link } from "react-router";

import { useLinks } from "../../state/links";
import { t } from "../../strings";

/** Always in sight: whether what is shown is live. */
export function ConnectionBadge() {
  const kind = useLinks(({ market }) => market.kind);
  const latencyMs = useLinks((links) => links.latencyMs);
  const isOpen = kind === "open" && latencyMs !== null;
  return (
    <Link className={`link-state ${kind}`} to="/status">
      <span className="unseen">{t.shell.links.label} </span>
      <span data-testid="connection">{t.shell.links[kind]}</span>
      <span className="number">{isOpen && t.shell.links.latency(Math.max(1, latencyMs).toFixed(0))}</span>
    </Link>
  );
}
