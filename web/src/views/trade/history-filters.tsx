import { SPANS, type Span } from "../../calculators/history";
import { t } from "../../strings";

export type SideFilter = "ALL" | "BUY" | "SELL";

export function SpanSelect({ span, onSpan }: { span: Span; onSpan: (span: Span) => void }) {
  return (
    <label>
      {t.trade.orders.since}
      <select
        className="select small"
        value={span}
        onChange={(event) => onSpan(SPANS.find((known) => known === event.target.value) ?? "week")}
      >
        {SPANS.map((choice) => (
          <option key={choice} value={choice}>
            {t.trade.orders.sinceOf[choice]}
          </option>
        ))}
      </select>
    </label>
  );
}

export function SideSelect({ side, onSide }: { side: SideFilter; onSide: (side: SideFilter) => void }) {
  return (
    <label>
      {t.trade.orders.sideFilter}
      <select
        className="select small"
        value={side}
        onChange={(event) =>
          onSide((["BUY", "SELL"] as const).find((known) => known === event.target.value) ?? "ALL")
        }
      >
        <option value="ALL">{t.trade.orders.all}</option>
        <option value="BUY">{t.trade.buy}</option>
        <option value="SELL">{t.trade.sell}</option>
      </select>
    </label>
  );
}
