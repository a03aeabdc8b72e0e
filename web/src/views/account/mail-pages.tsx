import { zodResolver } from "@hookform/resolvers/zod";
import { useEffect, useRef, useState } from "react";
import { useForm } from "react-hook-form";
import { Link } from "react-router";

import { confirmEmail, forgotPassword, resetPassword } from "../../state/session";
import { t } from "../../strings";
import { inWords } from "../parts/in-words";
import { Waiting } from "../parts/states";
import { useTitle } from "../parts/title";
import { FormProblem } from "./form-problem";
import { Outbox } from "./outbox";
import { type Address, address, type NewPassword, newPassword } from "./schemas";
import { TextField } from "./text-field";

/** Behind the # of a mailed link, so that it reaches no server's log; taken out of the address at once. */
function useMailToken(): string {
  const [token] = useState(() => new URLSearchParams(window.location.hash.slice(1)).get("token") ?? "");
  useEffect(() => {
    window.history.replaceState(window.history.state, "", window.location.pathname);
  }, []);
  return token;
}

export function ConfirmEmailPage() {
  useTitle(t.account.confirmTitle);
  const token = useMailToken();
  const [outcome, setOutcome] = useState<"waiting" | "done" | { problem: string }>(
    token === "" ? { problem: t.account.linkMissing } : "waiting",
  );
  const wasSent = useRef(false);
  useEffect(() => {
    if (token === "" || wasSent.current) return;
    wasSent.current = true;
    void confirmEmail(token).then(
      () => setOutcome("done"),
      (error: unknown) => setOutcome({ problem: inWords(error) }),
    );
  }, [token]);
  return (
    <div className="page narrow">
      <h1>{t.account.confirmTitle}</h1>
      <section className="card">
        {outcome === "waiting" && <Waiting />}
        {outcome === "done" && <p role="status">{t.account.confirmed}</p>}
        {typeof outcome === "object" && <FormProblem text={outcome.problem} />}
        <Link className="button primary" to="/sign-in">
          {t.account.signIn}
        </Link>
      </section>
    </div>
  );
}

export function ForgotPasswordPage() {
  useTitle(t.account.forgotTitle);
  const [sentTo, setSentTo] = useState<string | null>(null);
  const form = useForm<Address>({ resolver: zodResolver<Address, unknown, Address>(address) });
  const submit = async ({ email }: Address): Promise<void> => {
    try {
      await forgotPassword(email);
      setSentTo(email);
    } catch (error) {
      form.setError("root", { message: inWords(error) });
    }
  };
  return (
    <div className="page narrow">
      <h1>{t.account.forgotTitle}</h1>
      <section className="card">
        {sentTo !== null ? (
          <>
            <p role="status">{t.account.mailText(sentTo)}</p>
            <Outbox />
          </>
        ) : (
          <form onSubmit={(event) => void form.handleSubmit(submit)(event)} noValidate>
            <p className="muted">{t.account.forgotText}</p>
            <TextField
              label={t.account.email}
              type="email"
              autoComplete="username"
              problem={form.formState.errors.email?.message}
              {...form.register("email")}
            />
            <FormProblem text={form.formState.errors.root?.message} />
            <button type="submit" className="button primary wide" disabled={form.formState.isSubmitting}>
              {t.account.forgotSubmit}
            </button>
          </form>
        )}
      </section>
    </div>
  );
}

export function ResetPasswordPage() {
  useTitle(t.account.resetTitle);
  const token = useMailToken();
  const [isDone, setIsDone] = useState(false);
  const form = useForm<NewPassword>({
    resolver: zodResolver<NewPassword, unknown, NewPassword>(newPassword),
  });
  const submit = async ({ password }: NewPassword): Promise<void> => {
    try {
      await resetPassword(token, password);
      setIsDone(true);
    } catch (error) {
      form.setError("root", { message: inWords(error) });
    }
  };
  return (
    <div className="page narrow">
      <h1>{t.account.resetTitle}</h1>
      <section className="card">
        {isDone ? (
          <>
            <p role="status">{t.account.resetDone}</p>
            <Link className="button primary" to="/sign-in">
              {t.account.signIn}
            </Link>
          </>
        ) : (
          <form onSubmit={(event) => void form.handleSubmit(submit)(event)} noValidate>
            <TextField
              label={t.account.newPassword}
              type="password"
              autoComplete="new-password"
              hint={t.account.passwordHint}
              problem={form.formState.errors.password?.message}
              {...form.register("password")}
            />
            <FormProblem text={token === "" ? t.account.linkMissing : form.formState.errors.root?.message} />
            <button
              type="submit"
              className="button primary wide"
              disabled={token === "" || form.formState.isSubmitting}
            >
              {t.account.resetSubmit}
            </button>
          </form>
        )}
      </section>
    </div>
  );
}
