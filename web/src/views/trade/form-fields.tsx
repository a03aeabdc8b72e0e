import { Slider } from "@base-ui/react/slider";
import { useId } from "react";

import { share } from "../../calculators/drawing";
import type { Market } from "../../calculators/markets";
import { type E8, plain, show } from "../../calculators/money";
import type { Action, Field, Form, Problem, Summary as Sums } from "../../calculators/order-form";
import { t } from "../../strings";

const PERCENTS = [25, 50, 75, 100] as const;
const TIMES_IN_FORCE = ["GTC", "IOC", "FOK"] as const;

interface UnitInputProps {
  field: Field;
  label: string;
  unit: string;
  value: string;
  problem: Problem | undefined;
  onText: (text: string) => void;
}

/** An amount with its unit; what is wrong with it is read out with it. */
export function UnitInput({ field, label, unit, value, problem, onText }: UnitInputProps) {
  const id = useId();
  return (
    <div className="field">
      <div className="unit-input">
        <label htmlFor={id}>{label}</label>
        <input
          id={id}
          name={field}
          inputMode="decimal"
          autoComplete="off"
          value={value}
          aria-invalid={problem !== undefined}
          aria-describedby={problem === undefined ? undefined : `${id}-problem`}
          // A comma is how many people write the point; spaces and thousands marks come with pasting.
          onChange={(event) => onText(event.target.value.replace(",", ".").replace(/\s/g, ""))}
        />
        <span className="unit">{unit}</span>
      </div>
      {problem !== undefined && (
        <p className="problem" id={`${id}-problem`}>
          {t.trade.problems[problem.key](problem.bound ?? "")}
        </p>
      )}
    </div>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  choices: readonly (readonly [T, string])[];
  onChoice: (value: T) => void;
  isColoured?: boolean;
}

export function Choice<T extends string>({
  label,
  value,
  choices,
  onChoice,
  isColoured = false,
}: ChoiceProps<T>) {
  return (
    <div className="segments" role="group" aria-label={label}>
      {choices.map(([choice, text]) => (
        <button
          key={choice}
          type="button"
          className={`segment ${isColoured ? choice : ""}`}
          aria-pressed={choice === value}
          data-pressed={choice === value ? "" : undefined}
          onClick={() => onChoice(choice)}
        >
          {text}
        </button>
      ))}
    </div>
  );
}

interface AmountProps {
  used: E8;
  available: E8;
  onPercent: (percent: number) => void;
}

export function AmountSlider({ used, available, onPercent }: AmountProps) {
  const percent = Math.round(share(used, available) * 100);
  return (
    <div>
      <Slider.Root
        value={percent}
        min={0}
        max={100}
        disabled={available === 0n}
        aria-label={t.trade.form.percent}
        onValueChange={(value) => onPercent(value)}
      >
        <Slider.Control className="slider-control">
          <Slider.Track className="slider-track">
            <Slider.Indicator className="slider-fill" />
            <Slider.Thumb className="slider-thumb" aria-label={t.trade.form.percent} />
          </Slider.Track>
        </Slider.Control>
      </Slider.Root>
      <div className="percents">
        {PERCENTS.map((choice) => (
          <button
            key={choice}
            type="button"
            className="button small"
            disabled={available === 0n}
            onClick={() => onPercent(choice)}
          >
            {`${choice}%`}
          </button>
        ))}
      </div>
    </div>
  );
}

export function OrderOptions({ form, act }: { form: Form; act: (action: Action) => void }) {
  const id = useId();
  if (form.kind === "MARKET" || form.kind === "OCO") return null;
  const isPostOnly = form.kind === "LIMIT" && form.isPostOnly;
  return (
    <div className="order-options">
      <select
        id={id}
        className="select small"
        aria-label={t.trade.form.timeInForce}
        value={isPostOnly ? "GTC" : form.timeInForce}
        disabled={isPostOnly}
        onChange={(event) => {
          const chosen = TIMES_IN_FORCE.find((choice) => choice === event.target.value);
          if (chosen !== undefined) act({ type: "timeInForce", timeInForce: chosen });
        }}
      >
        {TIMES_IN_FORCE.map((choice) => (
          <option key={choice} value={choice}>
            {t.trade.form.timeInForceOf[choice]}
          </option>
        ))}
      </select>
      {form.kind === "LIMIT" && (
        <label className="check" title={t.trade.form.postOnlyHint}>
          <input
            type="checkbox"
            checked={form.isPostOnly}
            onChange={(event) => act({ type: "postOnly", isPostOnly: event.target.checked })}
          />
          {t.trade.form.postOnly}
        </label>
      )}
    </div>
  );
}

export function Summary({ summary, market }: { summary: Sums; market: Market }) {
  const places = summary.availableAsset === market.base ? market.quantityPlaces : market.quotePlaces;
  return (
    <dl>
      <div className="row">
        <dt>{t.trade.form.available}</dt>
        <dd data-testid="available">{`${show(summary.available, places)} ${summary.availableAsset}`}</dd>
      </div>
      <div className="row">
        <dt>{t.trade.form.fee}</dt>
        <dd>{summary.fee === null ? "–" : `${plain(summary.fee)} ${summary.feeAsset}`}</dd>
      </div>
    </dl>
  );
}
