import { useActivity } from "../../selectors/account";
import { t } from "../../strings";
import { humanize } from "../../strings/account";
import { DataTable } from "../parts/data-table";
import { QueryView } from "../parts/query-view";
import { moment } from "../parts/time";
import { deviceOf } from "./device";

const words = t.account.activity;

export function ActivityPage() {
  const activity = useActivity();
  return (
    <section className="card">
      <h2>{words.title}</h2>
      <QueryView query={activity} empty={words.none}>
        {(rows) => (
          <DataTable
            label={words.title}
            rows={rows}
            rowId={(entry) => String(entry.auditId)}
            columns={[
              { id: "what", header: words.what, accessorFn: (entry) => humanize(entry.action) },
              {
                id: "when",
                header: words.when,
                accessorFn: (entry) => entry.auditId,
                cell: ({ row }) => moment(Date.parse(row.original.occurredAt)),
              },
              {
                id: "from",
                header: words.from,
                enableSorting: false,
                cell: ({ row: { original } }) =>
                  original.address === null
                    ? words.operator
                    : `${original.address} (${deviceOf(original.userAgent)})`,
              },
            ]}
          />
        )}
      </QueryView>
    </section>
  );
}
