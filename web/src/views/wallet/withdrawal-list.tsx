import { e8, plain } from "../../calculators/money";
import { useCancelWithdrawal, useWithdrawals, type WithdrawalRow } from "../../selectors/wallet";
import { t } from "../../strings";
import { humanize } from "../../strings/account";
import { DataTable } from "../parts/data-table";
import { QueryView } from "../parts/query-view";
import { moment } from "../parts/time";

const words = t.wallet;
// Until somebody has decided, its owner may take it back.
const CANCELLABLE: readonly string[] = ["AWAITING_APPROVAL"];

export function WithdrawalList() {
  const withdrawals = useWithdrawals();
  return (
    <section className="card">
      <h2>{words.withdrawals}</h2>
      <QueryView query={withdrawals} empty={words.noWithdrawals} failed={words.failed}>
        {(rows) => (
          <DataTable
            label={words.withdrawals}
            rows={rows}
            rowId={(row) => String(row.withdrawalId)}
            columns={[
              {
                id: "when",
                header: words.when,
                accessorFn: (row) => row.withdrawalId,
                cell: ({ row }) => moment(Date.parse(row.original.createdAt)),
              },
              { id: "asset", header: words.asset, accessorFn: (row) => row.asset },
              {
                id: "amount",
                header: words.amount,
                meta: { isNumber: true },
                enableSorting: false,
                cell: ({ row }) => plain(e8(row.original.amount)),
              },
              {
                id: "address",
                header: words.address,
                enableSorting: false,
                cell: ({ row }) => <code>{`${row.original.address.slice(0, 16)}…`}</code>,
              },
              {
                id: "status",
                header: words.status,
                accessorFn: (row) => row.status,
                cell: ({ row: { original } }) =>
                  original.note === null || original.note === ""
                    ? humanize(original.status)
                    : `${humanize(original.status)}: ${original.note}`,
              },
              {
                id: "cancel",
                header: () => <span className="unseen">{t.trade.orders.actions}</span>,
                enableSorting: false,
                meta: { isNumber: true },
                cell: ({ row }) =>
                  CANCELLABLE.includes(row.original.status) && <CancelButton withdrawal={row.original} />,
              },
            ]}
          />
        )}
      </QueryView>
    </section>
  );
}

function CancelButton({ withdrawal }: { withdrawal: WithdrawalRow }) {
  const cancel = useCancelWithdrawal();
  return (
    <button
      type="button"
      className="button small danger"
      disabled={cancel.isBusy}
      aria-label={words.cancelOf(`${withdrawal.amount} ${withdrawal.asset}`)}
      onClick={() => void cancel.run(withdrawal.withdrawalId)}
    >
      {words.cancel}
    </button>
  );
}
