import { type SyntheticEvent, useEffect, useMemo, useRef, useState } from "react";
import { Link, useLocation } from "react-router";

import type { Market } from "../../calculators/markets";
import { plain, show } from "../../calculators/money";
import {
  type Action,
  check,
  type Field,
  type Form,
  type Kind,
  type Problem,
  reduce,
  summarize,
  type Surroundings,
  toRequest,
} from "../../calculators/order-form";
import { NOTHING } from "../../calculators/orders";
import { useBest } from "../../selectors/book";
import { useTicker } from "../../selectors/markets";
import { useDraft } from "../../state/draft";
import { offersDemoFunds } from "../../state/local-run";
import { useSession } from "../../state/session";
import { newClientId, place } from "../../state/trading";
import { t } from "../../strings";
import { tell } from "../parts/outcome";
import { DemoFunds, TryButton } from "./demo";
import { AmountSlider, Choice, OrderOptions, Summary, UnitInput } from "./form-fields";

const KINDS: readonly Kind[] = ["LIMIT", "MARKET", "STOP_LIMIT", "OCO"];

export function FormPanel({ market }: { market: Market }) {
  const isSignedIn = useSession(({ session }) => session.kind === "signedIn");
  return (
    <section className="panel area-form" aria-label={t.trade.form.title}>
      <div className="panel-body">
        <OrderForm market={market} isSignedIn={isSignedIn} />
        {isSignedIn && <Assets market={market} />}
      </div>
    </section>
  );
}

/** What there is of both sides of the market. */
function Assets({ market }: { market: Market }) {
  const balances = useSession(({ owned }) => owned.balances);
  return (
    <div className="assets">
      <h2>{t.trade.orders.balances}</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">{t.trade.orders.asset}</th>
            <th scope="col" className="number">
              {t.trade.orders.free}
            </th>
            <th scope="col" className="number">
              {t.trade.orders.locked}
            </th>
          </tr>
        </thead>
        <tbody>
          {(
            [
              [market.base, market.quantityPlaces],
              [market.quote, market.quotePlaces],
            ] as const
          ).map(([asset, places]) => {
            const { free, locked } = balances[asset] ?? NOTHING;
            return (
              <tr key={asset}>
                <th scope="row">{asset}</th>
                <td className="number">{show(free, places)}</td>
                <td className="number">{show(locked, places)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function useSurroundings(market: Market): Surroundings {
  const { bid, ask } = useBest(market.symbol);
  const last = useTicker(market.symbol)?.last ?? null;
  const { balances, makerRate, takerRate } = useSession((state) => state.owned);
  const freeBase = (balances[market.base] ?? NOTHING).free;
  const freeQuote = (balances[market.quote] ?? NOTHING).free;
  return useMemo(
    () => ({
      market,
      bestBid: bid,
      bestAsk: ask,
      last: last === 0n ? null : last,
      freeBase,
      freeQuote,
      makerRate,
      takerRate,
    }),
    [market, bid, ask, last, freeBase, freeQuote, makerRate, takerRate],
  );
}

interface Writing {
  form: Form;
  around: Surroundings;
  act: (action: Action) => void;
}

function useWriting(market: Market): Writing {
  const around = useSurroundings(market);
  const form = useDraft((draft) => draft.form);
  const picked = useDraft((draft) => draft.picked);
  const latest = useRef(around);
  const count = useRef(picked?.count);
  useEffect(() => {
    latest.current = around;
  }, [around]);
  const act = useMemo(
    () =>
      (action: Action): void =>
        useDraft.setState((draft) => ({ form: reduce(draft.form, action, latest.current) })),
    [],
  );
  // Amounts of another market mean nothing here.
  useEffect(() => act({ type: "market" }), [act, market.symbol]);
  useEffect(() => {
    if (picked === null || picked.count === count.current) return;
    count.current = picked.count;
    act({ type: "field", field: "price", text: picked.price });
  }, [act, picked]);
  return { form, around, act };
}

function OrderForm({ market, isSignedIn }: { market: Market; isSignedIn: boolean }) {
  const { form, around, act } = useWriting(market);
  const [wasTried, setWasTried] = useState(false);
  const [isSending, setIsSending] = useState(false);
  const [refusedBefore, setRefusedBefore] = useState(0);
  const problems = useMemo(() => (isSignedIn ? check(form, around) : []), [form, around, isSignedIn]);
  const summary = summarize(form, around);

  const submit = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    setWasTried(true);
    if (problems.length > 0) {
      setRefusedBefore((before) => before + 1);
      return;
    }
    setIsSending(true);
    const clientId = newClientId();
    const outcome = await place(toRequest(form, around, clientId), market.symbol, clientId);
    setIsSending(false);
    if (!tell(outcome, t.trade.notices.placed)) return;
    setWasTried(false);
    act({ type: "sent" });
  };

  const asset = market.base;
  return (
    <form
      className="order-form"
      onSubmit={(event) => void submit(event)}
      noValidate
      aria-label={t.trade.form.title}
    >
      <Choice
        label={t.trade.side}
        value={form.side}
        choices={[
          ["BUY", t.trade.buy],
          ["SELL", t.trade.sell],
        ]}
        isColoured
        onChoice={(side) => act({ type: "side", side })}
      />
      <Choice
        label={t.trade.form.kind}
        value={form.kind}
        choices={KINDS.map((kind) => [kind, t.trade.form.kindOf[kind]])}
        onChoice={(kind) => act({ type: "kind", kind })}
      />
      {!market.isOpen && (
        <p className="halted" role="status">
          {t.trade.form.halted}
        </p>
      )}
      <Fields
        form={form}
        around={around}
        problems={problems}
        areShown={wasTried}
        attempt={refusedBefore}
        act={act}
      />
      <AmountSlider
        used={summary.used}
        available={summary.available}
        onPercent={(percent) => act({ type: "percent", percent })}
      />
      <OrderOptions form={form} act={act} />
      <Summary summary={summary} market={market} />
      {isSignedIn ? (
        <>
          <button
            type="submit"
            className={`button wide ${form.side === "BUY" ? "buy" : "sell"}`}
            disabled={isSending || !market.isOpen}
          >
            {isSending ? t.trade.form.sending : t.trade.form.submit(t.trade.sideOf[form.side], asset)}
          </button>
          {offersDemoFunds() && <DemoFunds />}
        </>
      ) : (
        <SignInToTrade />
      )}
    </form>
  );
}

interface FieldsProps extends Writing {
  problems: readonly Problem[];
  areShown: boolean;
  /** Counts refused attempts: each puts the focus on the first field that needs it. */
  attempt: number;
}

function Fields({ form, around, problems, areShown, attempt, act }: FieldsProps) {
  const { market, last } = around;
  const container = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (attempt > 0) container.current?.querySelector<HTMLInputElement>("[aria-invalid=true]")?.focus();
  }, [attempt]);
  // What is missing is said after an attempt; what is wrong, while it is typed.
  const shown = problems.filter(
    ({ key, field }) => areShown || (key !== "required" && field !== "form" && form[field] !== ""),
  );
  const input = (field: Field, label: string, unit: string) => (
    <UnitInput
      field={field}
      label={label}
      unit={unit}
      value={form[field]}
      problem={shown.find((problem) => problem.field === field)}
      onText={(text) => act({ type: "field", field, text })}
    />
  );
  const isOco = form.kind === "OCO";
  const ofForm = shown.find((problem) => problem.field === "form" && problem.key !== "marketHalted");
  return (
    <div className="stack" ref={container}>
      {form.kind === "STOP_LIMIT" && input("stopPrice", t.trade.form.stopPrice, market.quote)}
      {form.kind === "MARKET" ? (
        <div className="unit-input">
          <label htmlFor="at-market">{t.trade.price}</label>
          <input id="at-market" disabled value={t.trade.form.atMarket} />
        </div>
      ) : (
        <div className="stack price-line">
          {input("price", isOco ? t.trade.form.limitPrice : t.trade.price, market.quote)}
          {last !== null && (
            <button
              type="button"
              className="text-button last-price"
              onClick={() => act({ type: "field", field: "price", text: plain(last) })}
            >
              {`${t.trade.form.useBest} ${show(last, market.pricePlaces)}`}
            </button>
          )}
        </div>
      )}
      {isOco && input("stopPrice", t.trade.form.stopPrice, market.quote)}
      {isOco && input("stopLimitPrice", t.trade.form.stopLimitPrice, market.quote)}
      {input("quantity", t.trade.quantity, market.base)}
      {input("total", t.trade.total, market.quote)}
      {ofForm !== undefined && (
        <p className="problem" role="alert">
          {t.trade.problems[ofForm.key](ofForm.bound ?? "")}
        </p>
      )}
    </div>
  );
}

function SignInToTrade() {
  const { pathname } = useLocation();
  const isUnknown = useSession(({ session }) => session.kind === "unknown");
  if (isUnknown) return null;
  return (
    <div className="stack">
      {offersDemoFunds() && <TryButton />}
      <Link className="button wide" to="/sign-in" state={{ from: pathname }}>
        {t.trade.form.signIn}
      </Link>
      <p className="hint">{t.trade.form.signInHint}</p>
    </div>
  );
}
