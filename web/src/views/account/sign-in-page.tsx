import { zodResolver } from "@hookform/resolvers/zod";
import { useForm } from "react-hook-form";
import { Link, Navigate } from "react-router";

import { signIn, useSession } from "../../state/session";
import { t } from "../../strings";
import { useTitle } from "../parts/title";
import { inWords } from "./in-words";
import { type Credentials, credentials } from "./schemas";
import { TextField } from "./text-field";
import { useReturnTo } from "./return-to";

export function SignInPage() {
  useTitle(t.account.signInTitle);
  const session = useSession((state) => state.session);
  const back = useReturnTo();
  if (session.kind === "signedIn") return <Navigate to={back} replace />;
  return (
    <div className="page narrow">
      <h1>{t.account.signInTitle}</h1>
      {session.kind === "signedOut" && session.hasEnded && <p className="halted">{t.account.ended}</p>}
      <section className="card">
        <SignInForm />
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

function SignInForm() {
  const form = useForm<Credentials>({
    resolver: zodResolver<Credentials, unknown, Credentials>(credentials),
  });
  const submit = async ({ email, password }: Credentials): Promise<void> => {
    try {
      await signIn(email, password);
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
      {form.formState.errors.root !== undefined && (
        <p className="problem" role="alert">
          {form.formState.errors.root.message}
        </p>
      )}
      <button type="submit" className="button primary wide" disabled={form.formState.isSubmitting}>
        {t.account.signIn}
      </button>
    </form>
  );
}
