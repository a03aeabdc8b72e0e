import type { ReactNode } from "react";

import { t } from "../../strings";

export function Waiting() {
  return (
    <div className="nothing" role="status">
      <span className="spinner" aria-hidden />
      <span className="unseen">{t.shell.loading}</span>
    </div>
  );
}

export function Nothing({ children }: { children: ReactNode }) {
  return <div className="nothing">{children}</div>;
}

export function Failed({ text, onRetry }: { text: string; onRetry?: () => void }) {
  return (
    <div className="nothing" role="alert">
      <p>{text}</p>
      {onRetry !== undefined && (
        <button type="button" className="button small" onClick={onRetry}>
          {t.shell.retry}
        </button>
      )}
    </div>
  );
}
