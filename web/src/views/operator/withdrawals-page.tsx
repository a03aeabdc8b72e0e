import { useState } from "react";

import { e8, plain } from "../../calculators/money";
import {
  type StaffWithdrawal,
  useApprove,
  useReject,
  useStaff,
  useStaffWithdrawals,
} from "../../selectors/operator";
import { t } from "../../strings";
import { humanize } from "../../strings/account";
import { type Columns, DataTable } from "../parts/data-table";
import { QueryView } from "../parts/query-view";
import { ReasonDialog } from "../parts/reason-dialog";
import { moment } from "../parts/time";

const words = t.operator;
const WAITING = "AWAITING_APPROVAL";

type Decision = { kind: "approve" | "reject"; withdrawal: StaffWithdrawal } | null;

export function StaffWithdrawalsPage() {
  const withdrawals = useStaffWithdrawals();
  const { data: staff } = useStaff();
  const [decision, setDecision] = useState<Decision>(null);
  const mayDecide = staff?.actions.includes("approve_withdrawal") ?? false;
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
                  <DataTable
                    label={words.waiting}
                    rows={waiting}
                    rowId={idOf}
                    columns={mayDecide ? [...COLUMNS, decisionColumn(setDecision)] : COLUMNS}
                  />
                )}
              </section>
              {others.length > 0 && (
                <section className="card">
                  <h2>{words.others}</h2>
                  <DataTable label={words.others} rows={others} rowId={idOf} columns={COLUMNS} />
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

function decisionColumn(onDecision: (decision: Decision) => void): Columns<StaffWithdrawal>[number] {
  return {
    id: "decision",
    header: () => <span className="unseen">{t.trade.orders.actions}</span>,
    enableSorting: false,
    cell: ({ row: { original } }) => (
      <div className="row-actions">
        <button
          type="button"
          className="button small"
          aria-label={words.approveTitle(nameOf(original))}
          onClick={() => onDecision({ kind: "approve", withdrawal: original })}
        >
          {words.approve}
        </button>
        <button
          type="button"
          className="button small danger"
          aria-label={words.rejectTitle(nameOf(original))}
          onClick={() => onDecision({ kind: "reject", withdrawal: original })}
        >
          {words.reject}
        </button>
      </div>
    ),
  };
}

function Decide({ decision, onClose }: { decision: NonNullable<Decision>; onClose: () => void }) {
  const approve = useApprove();
  const reject = useReject();
  const { kind, withdrawal } = decision;
  const id = withdrawal.withdrawalId;
  return kind === "approve" ? (
    <ReasonDialog
      title={words.approveTitle(nameOf(withdrawal))}
      text={withdrawal.address}
      submit={words.approve}
      act={{ ...approve, run: (reason) => approve.run(id, reason) }}
      onClose={onClose}
    />
  ) : (
    <ReasonDialog
      title={words.rejectTitle(nameOf(withdrawal))}
      text={words.rejectText}
      submit={words.reject}
      isDangerous
      act={{ ...reject, run: (reason) => reject.run(id, reason) }}
      onClose={onClose}
    />
  );
}
