import { hasOutbox } from "../../state/local-run";
import { t } from "../../strings";

/** Where a local exchange's mail is to be read. */
export function Outbox() {
  if (!hasOutbox()) return null;
  return (
    <p className="muted">
      {t.account.outbox}{" "}
      <a href="/outbox" target="_blank" rel="noreferrer">
        {t.account.openOutbox}
      </a>
    </p>
  );
}
