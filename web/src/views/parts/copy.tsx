import { useState } from "react";

import { t } from "../../strings";

interface Props {
  label: string;
  text: string;
}

/** Something to be taken elsewhere, whole. */
export function Copyable({ label, text }: Props) {
  const [isCopied, setIsCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setIsCopied(true);
  };
  return (
    <div className="copyable">
      <span className="field-label">{label}</span>
      <code>{text}</code>
      <button
        type="button"
        className="button small"
        onClick={() => void copy()}
        aria-label={`${t.account.copy} ${label}`}
      >
        {isCopied ? t.account.copied : t.account.copy}
      </button>
    </div>
  );
}
