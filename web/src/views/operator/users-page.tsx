import { useDeferredValue, useState } from "react";
import { Link } from "react-router";

import { type User, useUsers } from "../../selectors/operator";
import { t } from "../../strings";
import { TextField } from "../account/text-field";
import { type Columns, DataTable } from "../parts/data-table";
import { QueryView } from "../parts/query-view";
import { day } from "../parts/time";

const words = t.operator;

const COLUMNS: Columns<User> = [
  {
    id: "account",
    header: words.account,
    accessorFn: (user) => user.accountId,
    cell: ({ row: { original } }) => (
      <Link to={`/operator/users/${original.accountId}`} aria-label={words.open(original.accountId)}>
        {original.accountId}
      </Link>
    ),
  },
  { id: "email", header: words.email, accessorFn: (user) => user.email ?? "–" },
  { id: "roles", header: words.roles, accessorFn: (user) => user.roles.join(", ") || "–" },
  {
    id: "factor",
    header: words.secondFactor,
    accessorFn: (user) => (user.hasSecondFactor ? words.yes : words.no),
  },
  {
    id: "since",
    header: words.since,
    accessorFn: (user) => user.createdAt,
    cell: ({ row }) => day(row.original.createdAt),
  },
];

export function UsersPage() {
  const [text, setText] = useState("");
  const users = useUsers(useDeferredValue(text.trim()));
  return (
    <section className="card">
      <TextField
        label={words.find}
        type="search"
        value={text}
        onChange={(event) => setText(event.target.value)}
        autoComplete="off"
      />
      <QueryView query={users} empty={words.none}>
        {(rows) => (
          <DataTable
            label={words.tabs.users}
            rows={rows}
            rowId={(user) => String(user.accountId)}
            columns={COLUMNS}
          />
        )}
      </QueryView>
    </section>
  );
}
