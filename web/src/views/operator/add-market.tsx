import { type SyntheticEvent, useState } from "react";

import { type StaffMarket, useDefineMarket } from "../../selectors/operator";
import { t } from "../../strings";
import { TextField } from "../account/text-field";
import { say } from "../parts/notices";
import { RefusalText } from "../parts/refusal";

const words = t.operator;
const BLANK = { base: "", quote: "", like: "", reason: "" };
const ASSET = /^[A-Z0-9]{1,20}$/;
const REASON_CHARS_MIN = 3;

/** Lists a market under the rules of another one; finer points are for `crossbook market define`. */
export function AddMarket({ markets }: { markets: readonly StaffMarket[] }) {
  const define = useDefineMarket();
  const [form, setForm] = useState(BLANK);
  const set = (change: Partial<typeof BLANK>): void => setForm((before) => ({ ...before, ...change }));
  const like = markets.find(({ symbol }) => symbol === form.like) ?? markets[0];
  const isWhole =
    ASSET.test(form.base) && ASSET.test(form.quote) && form.reason.trim().length >= REASON_CHARS_MIN;
  const onSubmit = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    if (like === undefined) return;
    const symbol = form.base + form.quote;
    const definition = { ...like.definition, symbol, base_asset: form.base, quote_asset: form.quote };
    if ((await define.run(symbol, definition, form.reason.trim())) === null) return;
    say(words.done);
    setForm(BLANK);
  };
  return (
    <section className="card">
      <h2>{words.addMarket}</h2>
      <p className="muted">{words.addText}</p>
      <form onSubmit={(event) => void onSubmit(event)}>
        <div className="columns">
          <TextField
            label={words.base}
            autoComplete="off"
            value={form.base}
            onChange={(event) => set({ base: event.target.value.toUpperCase() })}
          />
          <TextField
            label={words.quote}
            autoComplete="off"
            value={form.quote}
            onChange={(event) => set({ quote: event.target.value.toUpperCase() })}
          />
        </div>
        <label className="field">
          <span className="field-label">{words.rulesOf}</span>
          <select
            className="select"
            value={like?.symbol ?? ""}
            onChange={(event) => set({ like: event.target.value })}
          >
            {markets.map(({ symbol }) => (
              <option key={symbol}>{symbol}</option>
            ))}
          </select>
        </label>
        <TextField
          label={words.reason}
          hint={words.reasonHint}
          value={form.reason}
          onChange={(event) => set({ reason: event.target.value })}
        />
        <RefusalText error={define.error} />
        <div className="actions">
          <button type="submit" className="button primary" disabled={!isWhole || define.isBusy}>
            {words.addMarket}
          </button>
        </div>
      </form>
    </section>
  );
}
