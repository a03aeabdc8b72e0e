import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { Link, Navigate } from "react-router";

import { offersDemoFunds } from "../../state/local-run";
import { resendConfirmation, signUp, useSession } from "../../state/session";
import { t } from "../../strings";
import { inWords } from "../parts/in-words";
import { say, warn } from "../parts/notices";
import { useTitle } from "../parts/title";
import { TryButton } from "../trade/demo";
import { FormProblem } from "./form-problem";
import { Outbox } from "./outbox";
import { useReturnTo } from "./return-to";
import { type Credentials, credentials } from "./schemas";
import { TextField } from "./text-field";

export function SignUpPage() {
  useTitle(t.account.signUpTitle);
  const kind = useSession((state) => state.session.kind);
  const [waitingFor, setWaitingFor] = useState<string | null>(null);
  const back = useReturnTo();
  if (kind === "signedIn") return <Navigate to={back} replace />;
  if (waitingFor !== null) return <CheckMail email={waitingFor} />;
  return (
    <div className="page narrow">
      <h1>{t.account.signUpTitle}</h1>
      <section className="card">
        <SignUpForm onWaiting={setWaitingFor} />
      </section>
      <p className="muted">
        {t.account.haveAccount}{" "}
        <Link to="/sign-in" state={{ from: back }}>
          {t.account.signIn}
        </Link>
      </p>
      {offersDemoFunds() && (
        <section className="card">
          <h2>{t.account.tryTitle}</h2>
          <p className="muted">{t.account.tryText}</p>
          <TryButton />
        </section>
      )}
    </div>
  );
}

function SignUpForm({ onWaiting }: { onWaiting: (email: string) => void }) {
  const form = useForm<Credentials>({
    resolver: zodResolver<Credentials, unknown, Credentials>(credentials),
  });
  const submit = async ({ email, password }: Credentials): Promise<void> => {
    try {
      if ((await signUp(email, password)) === "confirm") onWaiting(email);
    } catch (error) {
      form.setError("root", { message: inWords(error) });
    }
  };
  return (
    <form onSubmit={(event) => void form.handleSubmit(submit)(event)} noValidate>
      <TextField
        label={t.account.email}
        type="email"
        autoComplete="username"
        problem={form.formState.errors.email?.message}
        {...form.register("email")}
      />
      <TextField
        label={t.account.password}
        type="password"
        autoComplete="new-password"
        hint={t.account.passwordHint}
        problem={form.formState.errors.password?.message}
        {...form.register("password")}
      />
      <FormProblem text={form.formState.errors.root?.message} />
      <button type="submit" className="button primary wide" disabled={form.formState.isSubmitting}>
        {t.account.signUp}
      </button>
    </form>
  );
}

function CheckMail({ email }: { email: string }) {
  const resend = async (): Promise<void> => {
    try {
      await resendConfirmation(email);
      say(t.account.sentAgain);
    } catch (error) {
      warn(inWords(error));
    }
  };
  return (
    <div className="page narrow">
      <h1>{t.account.mailTitle}</h1>
      <section className="card">
        <p>{t.account.mailText(email)}</p>
        <Outbox />
        <div className="actions">
          <button type="button" className="button" onClick={() => void resend()}>
            {t.account.resend}
          </button>
          <Link className="button primary" to="/sign-in">
            {t.account.signIn}
          </Link>
        </div>
      </section>
    </div>
  );
}
