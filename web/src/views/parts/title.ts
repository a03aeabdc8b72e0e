import { useEffect } from "react";

import { t } from "../../strings";

/** The page's name in the browser's tab, and for screen readers when pages change. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · ${t.shell.name}`;
  }, [title]);
}
