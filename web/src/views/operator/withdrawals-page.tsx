import { useState } from "react";

import { e8, plain } from "../../calculators/money";
import {
  type StaffWithdrawal,
  useApprove,
  useReject,
  useSettle,
  useStaff,
  useStaffWithdrawals,
} from "../../selectors/operator";
import { t } from "../../strings";
import { humanize } from "../../strings/account";
import { TextField } from "../account/text-field";
import { type Columns, DataTable } from "../parts/data-table";
import { QueryView } from "../parts/query-view";
import { ReasonDialog } from "../parts/reason-dialog";
import { moment } from "../parts/time";

const words = t.operator;
const WAITING = "AWAITING_APPROVAL";

type Step = "approve" | "reject" | "settle";
type Decision = { kind: Step; withdrawal: StaffWithdrawal } | null;

/** What can be decided of a withdrawal as it stands, and what the back office calls doing so. */
const STEPS: readonly { kind: Step; action: string; of: readonly string[] }[] = [
  { kind: "approve", action: "approve_withdrawal", of: [WAITING] },
  { kind: "settle", action: "settle_withdrawal", of: ["APPROVED", "PROCESSING", "PAYOUT_FAILED"] },
  { kind: "reject", action: "reject_withdrawal", of: [WAITING, "APPROVED", "PAYOUT_FAILED"] },
];

export function StaffWithdrawalsPage() {
  const withdrawals = useStaffWithdrawals();
  const { data: staff } = useStaff();
  const [decision, setDecision] = useState<Decision>(null);
  const steps = STEPS.filter(({ action }) => staff?.actions.includes(action) ?? false);
  const columns = steps.length === 0 ? COLUMNS : [...COLUMNS, decisionColumn(steps, setDecision)];
  return (
    <>
      <QueryView query={withdrawals}>
        {(rows) => {
          const waiting = rows.filter(({ status }) => status === WAITING);
          const others = rows.filter(({ status }) => status !== WAITING);
          return (
            <>
              <section className="card">
                <h2>{words.waiting}</h2>
                {waiting.length === 0 ? (
                  <p className="muted">{words.noWaiting}</p>
                ) : (
                  <DataTable label={words.waiting} rows={waiting} rowId={idOf} columns={columns} />
                )}
              </section>
              {others.length > 0 && (
                <section className="card">
                  <h2>{words.others}</h2>
                  <DataTable label={words.others} rows={others} rowId={idOf} columns={columns} />
                </section>
              )}
            </>
          );
        }}
      </QueryView>
      {decision !== null && <Decide decision={decision} onClose={() => setDecision(null)} />}
    </>
  );
}

const idOf = (row: StaffWithdrawal): string => String(row.withdrawalId);
const nameOf = (row: StaffWithdrawal): string => `${plain(e8(row.amount))} ${row.asset}`;

const COLUMNS: Columns<StaffWithdrawal> = [
  {
    id: "when",
    header: words.when,
    accessorFn: (row) => row.withdrawalId,
    cell: ({ row }) => moment(Date.parse(row.original.createdAt)),
  },
  { id: "account", header: words.account, accessorFn: (row) => row.accountId },
  {
    id: "amount",
    header: words.amount,
    enableSorting: false,
    meta: { isNumber: true },
    cell: ({ row }) => nameOf(row.original),
  },
  {
    id: "to",
    header: words.to,
    enableSorting: false,
    cell: ({ row }) => <code>{row.original.address}</code>,
  },
  {
    id: "status",
    header: words.status,
    accessorFn: (row) => row.status,
    cell: ({ row: { original } }) =>
      original.status === WAITING ? words.approvals(original.approvalsNeeded) : humanize(original.status),
  },
];

const TITLES: Record<Step, (what: string) => string> = {
  approve: words.approveTitle,
  settle: words.settleTitle,
  reject: words.rejectTitle,
};

function decisionColumn(
  steps: typeof STEPS,
  onDecision: (decision: Decision) => void,
): Columns<StaffWithdrawal>[number] {
  return {
    id: "decision",
    header: () => <span className="unseen">{t.trade.orders.actions}</span>,
    enableSorting: false,
    cell: ({ row: { original } }) => (
      <div className="row-actions">
        {steps
          .filter(({ of }) => of.includes(original.status))
          .map(({ kind }) => (
            <button
              key={kind}
              type="button"
              className={kind === "reject" ? "button small danger" : "button small"}
              aria-label={TITLES[kind](nameOf(original))}
              onClick={() => onDecision({ kind, withdrawal: original })}
            >
              {words[kind]}
            </button>
          ))}
      </div>
    ),
  };
}

function Decide({ decision, onClose }: { decision: NonNullable<Decision>; onClose: () => void }) {
  const approve = useApprove();
  const reject = useReject();
  const settle = useSettle();
  const [txId, setTxId] = useState("");
  const { kind, withdrawal } = decision;
  const id = withdrawal.withdrawalId;
  const shared = { title: TITLES[kind](nameOf(withdrawal)), submit: words[kind], onClose };
  switch (kind) {
    case "approve":
      return (
        <ReasonDialog
          {...shared}
          text={withdrawal.address}
          act={{ ...approve, run: (reason) => approve.run(id, reason) }}
        />
      );
    case "reject":
      return (
        <ReasonDialog
          {...shared}
          text={words.rejectText}
          isDangerous
          act={{ ...reject, run: (reason) => reject.run(id, reason) }}
        />
      );
    case "settle":
      return (
        <ReasonDialog
          {...shared}
          text={withdrawal.address}
          isIncomplete={txId.trim() === ""}
          act={{ ...settle, run: (reason) => settle.run(id, reason, txId.trim()) }}
        >
          <TextField
            label={words.txId}
            autoComplete="off"
            value={txId}
            onChange={(event) => setTxId(event.target.value)}
          />
        </ReasonDialog>
      );
  }
}
