import { useEffect } from "react";

import { e8, plain } from "../../calculators/money";
import { onReport } from "../../state/session";
import { t } from "../../strings";
import { say, warn } from "../parts/notices";

/** Says what happens to orders by itself: fills, and ends that nobody asked for. */
export function FillNotices() {
  useEffect(
    () =>
      onReport((report) => {
        const what = `${t.trade.sideOf[report.S]} ${plain(e8(report.l))} ${report.s} @ ${plain(e8(report.L))}`;
        if (report.x === "TRADE") say(t.trade.notices.filled(what));
        if (report.x === "EXPIRED" && report.o !== "MARKET" && report.g < 0) {
          warn(t.trade.notices.expired(`${t.trade.typeOf[report.o]} ${report.s}`));
        }
      }),
    [],
  );
  return null;
}
