import { useEffect } from "react";
import { Link } from "react-router";

import { t } from "../../strings";
import { useTitle } from "../parts/title";

export function NotFound() {
  useTitle(t.shell.notFoundTitle);
  return (
    <div className="page narrow">
      <h1>{t.shell.notFoundTitle}</h1>
      <p className="muted">{t.shell.notFound}</p>
      <Link className="button primary" to="/">
        {t.shell.toTrade}
      </Link>
    </div>
  );
}

/** What is shown when a page fails while it is drawn. */
export function Broken() {
  useEffect(() => {
    document.title = t.shell.brokenTitle;
  }, []);
  return (
    <main className="page narrow" role="alert">
      <h1>{t.shell.brokenTitle}</h1>
      <p className="muted">{t.shell.broken}</p>
      <button type="button" className="button primary" onClick={() => window.location.assign("/")}>
        {t.shell.reload}
      </button>
    </main>
  );
}
