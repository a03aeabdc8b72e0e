import { zodResolver } from "@hookform/resolvers/zod";
import { useForm } from "react-hook-form";
import { Link, Navigate } from "react-router";

import { offersDemoFunds } from "../../state/local-run";
import { signUp, useSession } from "../../state/session";
import { t } from "../../strings";
import { useTitle } from "../parts/title";
import { TryButton } from "../trade/demo";
import { inWords } from "./in-words";
import { useReturnTo } from "./return-to";
import { type Credentials, credentials } from "./schemas";
import { TextField } from "./text-field";

export function SignUpPage() {
  useTitle(t.account.signUpTitle);
  const kind = useSession((state) => state.session.kind);
  const back = useReturnTo();
  if (kind === "signedIn") return <Navigate to={back} replace />;
  return (
    <div className="page narrow">
      <h1>{t.account.signUpTitle}</h1>
      <section className="card">
        <SignUpForm />
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

function SignUpForm() {
  const form = useForm<Credentials>({
    resolver: zodResolver<Credentials, unknown, Credentials>(credentials),
  });
  const submit = async ({ email, password }: Credentials): Promise<void> => {
    try {
      await signUp(email, password);
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
      {form.formState.errors.root !== undefined && (
        <p className="problem" role="alert">
          {form.formState.errors.root.message}
        </p>
      )}
      <button type="submit" className="button primary wide" disabled={form.formState.isSubmitting}>
        {t.account.signUp}
      </button>
    </form>
  );
}
