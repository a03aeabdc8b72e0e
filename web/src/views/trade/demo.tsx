import { useState } from "react";

import { getDemoFunds, openThrowAway } from "../../state/local-run";
import { t } from "../../strings";
import { say, warn } from "../parts/notices";

export function TryButton() {
  const [isOpening, setIsOpening] = useState(false);
  const open = async (): Promise<void> => {
    setIsOpening(true);
    try {
      await openThrowAway();
    } catch {
      warn(t.account.errors.unreachable ?? "");
      setIsOpening(false);
    }
  };
  return (
    <button type="button" className="button primary wide" disabled={isOpening} onClick={() => void open()}>
      {isOpening ? t.trade.form.trying : t.trade.form.tryIt}
    </button>
  );
}

export function DemoFunds() {
  const get = async (): Promise<void> => {
    try {
      const given = await getDemoFunds();
      if (given === "") warn(t.trade.notices.noFunds);
      else say(t.trade.notices.funds(given));
    } catch {
      warn(t.account.errors.unreachable ?? "");
    }
  };
  return (
    <button type="button" className="text-button" onClick={() => void get()}>
      {t.trade.form.funds}
    </button>
  );
}
