import { useAudit } from "../../selectors/operator";
import { t } from "../../strings";
import { humanize } from "../../strings/account";
import { DataTable } from "../parts/data-table";
import { QueryView } from "../parts/query-view";
import { moment } from "../parts/time";

const words = t.operator;

export function AuditPage() {
  const audit = useAudit();
  return (
    <section className="card">
      <h2>{words.tabs.audit}</h2>
      <QueryView query={audit} empty={words.noAudit}>
        {(rows) => (
          <DataTable
            label={words.tabs.audit}
            rows={rows}
            rowId={(entry) => String(entry.auditId)}
            columns={[
              {
                id: "when",
                header: words.when,
                accessorFn: (entry) => entry.auditId,
                cell: ({ row }) => moment(Date.parse(row.original.occurredAt)),
              },
              { id: "actor", header: words.actor, accessorFn: (entry) => entry.actor },
              { id: "action", header: words.action, accessorFn: (entry) => humanize(entry.action) },
              { id: "subject", header: words.subject, accessorFn: (entry) => entry.subject || "–" },
              { id: "outcome", header: words.outcome, accessorFn: (entry) => humanize(entry.outcome) },
              {
                id: "reason",
                header: words.reason,
                enableSorting: false,
                accessorFn: (entry) => entry.reason,
              },
            ]}
          />
        )}
      </QueryView>
    </section>
  );
}
