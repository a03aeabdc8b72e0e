import { zodResolver } from "@hookform/resolvers/zod";
import { useForm } from "react-hook-form";

import {
  type OpenSession,
  useChangePassword,
  useEndOtherSessions,
  useEndSession,
  useSessions,
} from "../../selectors/account";
import { t } from "../../strings";
import { DataTable } from "../parts/data-table";
import { say } from "../parts/notices";
import { QueryView } from "../parts/query-view";
import { RefusalText } from "../parts/refusal";
import { moment } from "../parts/time";
import { deviceOf } from "./device";
import { type PasswordChange, passwordChange } from "./schemas";
import { SecondFactorCard } from "./second-factor-card";
import { TextField } from "./text-field";

const words = t.account.security;

export function SecurityPage() {
  return (
    <>
      <div className="columns">
        <SecondFactorCard />
        <PasswordCard />
      </div>
      <SessionsCard />
    </>
  );
}

function PasswordCard() {
  const change = useChangePassword();
  const form = useForm<PasswordChange>({
    resolver: zodResolver<PasswordChange, unknown, PasswordChange>(passwordChange),
    defaultValues: { current: "", next: "" },
  });
  const submit = async ({ current, next }: PasswordChange): Promise<void> => {
    if ((await change.run(current, next)) === null) return;
    say(words.passwordChanged);
    form.reset();
  };
  return (
    <section className="card">
      <h2>{words.password}</h2>
      <form onSubmit={(event) => void form.handleSubmit(submit)(event)} noValidate>
        <TextField
          label={t.account.currentPassword}
          type="password"
          autoComplete="current-password"
          problem={form.formState.errors.current?.message}
          {...form.register("current")}
        />
        <TextField
          label={t.account.newPassword}
          type="password"
          autoComplete="new-password"
          hint={t.account.passwordHint}
          problem={form.formState.errors.next?.message}
          {...form.register("next")}
        />
        <RefusalText error={change.error} />
        <div className="actions">
          <button type="submit" className="button primary" disabled={change.isBusy}>
            {words.changePassword}
          </button>
        </div>
      </form>
    </section>
  );
}

function SessionsCard() {
  const sessions = useSessions();
  const endOthers = useEndOtherSessions();
  return (
    <section className="card">
      <div className="card-head">
        <h2>{words.sessions}</h2>
        <button
          type="button"
          className="button small"
          disabled={endOthers.isBusy}
          onClick={() => void endOthers.run()}
        >
          {words.endOthers}
        </button>
      </div>
      <RefusalText error={endOthers.error} />
      <QueryView query={sessions}>
        {(rows) => (
          <DataTable
            label={words.sessions}
            rows={rows}
            rowId={(session) => session.sessionId}
            columns={[
              {
                id: "device",
                header: words.device,
                accessorFn: (session) => deviceOf(session.userAgent),
                cell: ({ row: { original } }) => (
                  <>
                    {deviceOf(original.userAgent)}{" "}
                    {original.isCurrent && <span className="tag good">{words.thisOne}</span>}
                  </>
                ),
              },
              { id: "address", header: words.address, accessorFn: (session) => session.address ?? "–" },
              {
                id: "used",
                header: words.lastUsed,
                accessorFn: (session) => session.lastUsedAt,
                cell: ({ row: { original } }) => moment(Date.parse(original.lastUsedAt)),
              },
              {
                id: "end",
                header: () => <span className="unseen">{t.trade.orders.actions}</span>,
                enableSorting: false,
                meta: { isNumber: true },
                cell: ({ row: { original } }) => !original.isCurrent && <EndSession session={original} />,
              },
            ]}
          />
        )}
      </QueryView>
    </section>
  );
}

function EndSession({ session }: { session: OpenSession }) {
  const end = useEndSession();
  return (
    <button
      type="button"
      className="button small danger"
      disabled={end.isBusy}
      aria-label={words.endOf(deviceOf(session.userAgent))}
      onClick={() => void end.run(session.sessionId)}
    >
      {words.end}
    </button>
  );
}
