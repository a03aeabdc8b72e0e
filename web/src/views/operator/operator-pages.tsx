import { useStaff } from "../../selectors/operator";
import { t } from "../../strings";
import { SignedInOnly } from "../account/signed-in-only";
import { Waiting } from "../parts/states";
import { SubPages } from "../parts/sub-pages";

const PAGES = [
  ["find_users", "/operator", t.operator.tabs.users],
  ["list_withdrawals", "/operator/withdrawals", t.operator.tabs.withdrawals],
  ["list_markets", "/operator/markets", t.operator.tabs.markets],
  ["read_audit", "/operator/audit", t.operator.tabs.audit],
] as const;

export function OperatorPages() {
  return (
    <SignedInOnly>
      <Staff />
    </SignedInOnly>
  );
}

/** Shows what the session's roles allow; the back office itself decides about each request. */
function Staff() {
  const { data, isError } = useStaff();
  if (isError || data?.actions.length === 0) {
    return (
      <div className="page narrow">
        <h1>{t.operator.title}</h1>
        <p className="muted">{t.operator.denied}</p>
      </div>
    );
  }
  if (data === undefined) return <Waiting />;
  const pages = PAGES.filter(([action]) => data.actions.includes(action)).map(
    ([, path, text]) => [path, text] as const,
  );
  return <SubPages title={t.operator.title} pages={pages} />;
}
