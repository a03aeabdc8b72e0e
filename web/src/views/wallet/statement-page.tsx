import { type SyntheticEvent, useState } from "react";

import { useStatement } from "../../selectors/wallet";
import { t } from "../../strings";
import { TextField } from "../account/text-field";
import { RefusalText } from "../parts/refusal";
import { saveFile } from "../parts/save-file";

const DAY_MS = 24 * 3600 * 1000;
const dateOf = (milliseconds: number): string => new Date(milliseconds).toISOString().slice(0, 10);

export function StatementPage() {
  const download = useStatement();
  const [range, setRange] = useState(() => ({
    from: dateOf(Date.now() - 30 * DAY_MS),
    to: dateOf(Date.now()),
  }));
  const onSubmit = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    // The last day belongs to it, to its end or to now.
    const end = new Date(Math.min(Date.parse(range.to) + DAY_MS, Date.now())).toISOString();
    const done = await download.run(range.from, end);
    if (done !== null) saveFile(`statement-${range.from}-${range.to}.csv`, done.answer, "text/csv");
  };
  return (
    <section className="card">
      <h2>{t.wallet.tabs.statement}</h2>
      <p className="muted">{t.wallet.statementText}</p>
      <form onSubmit={(event) => void onSubmit(event)}>
        <div className="columns">
          <TextField
            label={t.wallet.from}
            type="date"
            required
            max={range.to}
            value={range.from}
            onChange={(event) => setRange({ ...range, from: event.target.value })}
          />
          <TextField
            label={t.wallet.to}
            type="date"
            required
            min={range.from}
            value={range.to}
            onChange={(event) => setRange({ ...range, to: event.target.value })}
          />
        </div>
        <RefusalText error={download.error} />
        <div className="actions">
          <button type="submit" className="button primary" disabled={download.isBusy}>
            {t.wallet.download}
          </button>
        </div>
      </form>
    </section>
  );
}
