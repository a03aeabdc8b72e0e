import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm } from "react-hook-form";
import { Link, Navigate } from "react-router";

import { signIn, signInWithCode, useSession } from "../../state/session";
import { t } from "../../strings";
import { inWords } from "../parts/in-words";
import { useTitle } from "../parts/title";
import { FormProblem } from "./form-problem";
import { useReturnTo } from "./return-to";
import { type Credentials, credentials, type OneCode, oneCode } from "./schemas";
import { TextField } from "./text-field";

interface Challenge {
  email: string;
  token: string;
}

export function SignInPage() {
  useTitle(t.account.signInTitle);
  const session = useSession((state) => state.session);
  const [challenge, setChallenge] = useState<Challenge | null>(null);
  const back = useReturnTo();
  if (session.kind === "signedIn") return <Navigate to={back} replace />;
  return (
    <div className="page narrow">
      <h1>{challenge === null ? t.account.signInTitle : t.account.codeTitle}</h1>
      {session.kind === "signedOut" && session.hasEnded && <p className="halted">{t.account.ended}</p>}
      <section className="card">
        {challenge === null ? (
          <PasswordStep onChallenge={setChallenge} />
        ) : (
          <CodeStep challenge={challenge} onBack={() => setChallenge(null)} />
        )}
      </section>
      <p className="muted">
        {t.account.noAccount}{" "}
        <Link to="/sign-up" state={{ from: back }}>
          {t.account.signUp}
        </Link>
      </p>
    </div>
  );
}

function PasswordStep({ onChallenge }: { onChallenge: (challenge: Challenge) => void }) {
  const form = useForm<Credentials>({
    resolver: zodResolver<Credentials, unknown, Credentials>(credentials),
  });
  const submit = async ({ email, password }: Credentials): Promise<void> => {
    try {
      const outcome = await signIn(email, password);
      if (outcome.kind === "codeNeeded") onChallenge({ email, token: outcome.challengeToken });
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
        autoComplete="current-password"
        problem={form.formState.errors.password?.message}
        {...form.register("password")}
      />
      <FormProblem text={form.formState.errors.root?.message} />
      <button type="submit" className="button primary wide" disabled={form.formState.isSubmitting}>
        {t.account.signIn}
      </button>
      <Link to="/forgot-password">{t.account.forgot}</Link>
    </form>
  );
}

function CodeStep({ challenge, onBack }: { challenge: Challenge; onBack: () => void }) {
  const form = useForm<OneCode>({ resolver: zodResolver<OneCode, unknown, OneCode>(oneCode) });
  const submit = async ({ code }: OneCode): Promise<void> => {
    try {
      await signInWithCode(challenge.email, challenge.token, code);
    } catch (error) {
      form.setError("root", { message: inWords(error) });
    }
  };
  return (
    <form onSubmit={(event) => void form.handleSubmit(submit)(event)} noValidate>
      <p className="muted">{t.account.codeText}</p>
      <TextField
        label={t.account.code}
        hint={t.account.codeHint}
        autoComplete="one-time-code"
        problem={form.formState.errors.code?.message}
        {...form.register("code")}
      />
      <FormProblem text={form.formState.errors.root?.message} />
      <div className="actions">
        <button type="button" className="button" onClick={onBack}>
          {t.account.cancel}
        </button>
        <button type="submit" className="button primary" disabled={form.formState.isSubmitting}>
          {t.account.signIn}
        </button>
      </div>
    </form>
  );
}
