import { useState } from "react";
import { Link, useParams } from "react-router";

import { e8, plain } from "../../calculators/money";
import {
  useCancelOrdersOf,
  useFreeze,
  useStaff,
  useUnfreeze,
  useUser,
  type UserDetails,
} from "../../selectors/operator";
import { t } from "../../strings";
import { humanize } from "../../strings/account";
import { DataTable } from "../parts/data-table";
import { QueryView } from "../parts/query-view";
import { ReasonDialog } from "../parts/reason-dialog";

const words = t.operator;

export function UserPage() {
  const { accountId = "" } = useParams();
  const user = useUser(Number.parseInt(accountId, 10));
  return (
    <>
      <Link to="/operator">{`← ${words.back}`}</Link>
      <QueryView query={user}>{(details) => <Details user={details} />}</QueryView>
    </>
  );
}

function Details({ user }: { user: UserDetails }) {
  return (
    <>
      <section className="card">
        <div className="card-head">
          <h2>{`${words.account} ${user.accountId}`}</h2>
          <span className={user.status === "ACTIVE" ? "tag good" : "tag bad"}>{humanize(user.status)}</span>
        </div>
        <p className="muted">{user.email ?? "–"}</p>
        <UserActions user={user} />
      </section>
      <section className="card">
        <h2>{words.balances}</h2>
        <DataTable
          label={words.balances}
          rows={user.balances}
          rowId={(balance) => balance.asset}
          columns={[
            { id: "asset", header: words.asset, accessorFn: (balance) => balance.asset },
            ...(["free", "locked", "withdrawing"] as const).map((part) => ({
              id: part,
              header: words[part],
              enableSorting: false,
              meta: { isNumber: true },
              accessorFn: (balance: UserDetails["balances"][number]) => plain(e8(balance[part])),
            })),
          ]}
        />
      </section>
      <section className="card">
        <h2>{words.orders}</h2>
        {user.openOrders.length === 0 ? (
          <p className="muted">{words.noOrders}</p>
        ) : (
          <DataTable
            label={words.orders}
            rows={user.openOrders}
            rowId={(order) => String(order.orderId)}
            columns={[
              { id: "market", header: words.market, accessorFn: (order) => order.symbol },
              { id: "side", header: t.trade.side, accessorFn: (order) => humanize(order.side) },
              { id: "type", header: t.trade.type, accessorFn: (order) => humanize(order.type) },
              {
                id: "price",
                header: t.trade.price,
                enableSorting: false,
                meta: { isNumber: true },
                cell: ({ row }) => plain(e8(row.original.price)),
              },
              {
                id: "quantity",
                header: t.trade.quantity,
                enableSorting: false,
                meta: { isNumber: true },
                cell: ({ row }) => plain(e8(row.original.quantity)),
              },
            ]}
          />
        )}
      </section>
    </>
  );
}

type Doing = "freeze" | "unfreeze" | "cancelOrders";

function UserActions({ user }: { user: UserDetails }) {
  const { data: staff } = useStaff();
  const [doing, setDoing] = useState<Doing | null>(null);
  const freeze = useFreeze();
  const unfreeze = useUnfreeze();
  const cancelOrders = useCancelOrdersOf();
  const id = user.accountId;
  const may = (action: string): boolean => staff?.actions.includes(action) ?? false;
  const close = (): void => setDoing(null);
  const isFrozen = user.status !== "ACTIVE";
  return (
    <div className="actions start">
      {!isFrozen && may("freeze_account") && (
        <button type="button" className="button danger" onClick={() => setDoing("freeze")}>
          {words.freeze}
        </button>
      )}
      {isFrozen && may("unfreeze_account") && (
        <button type="button" className="button" onClick={() => setDoing("unfreeze")}>
          {words.unfreeze}
        </button>
      )}
      {may("cancel_orders") && (
        <button type="button" className="button" onClick={() => setDoing("cancelOrders")}>
          {words.cancelOrders}
        </button>
      )}
      {doing === "freeze" && (
        <ReasonDialog
          title={words.freezeTitle(id)}
          text={words.freezeText}
          submit={words.freeze}
          isDangerous
          act={{ ...freeze, run: (reason) => freeze.run(id, reason) }}
          onClose={close}
        />
      )}
      {doing === "unfreeze" && (
        <ReasonDialog
          title={words.unfreezeTitle(id)}
          submit={words.unfreeze}
          act={{ ...unfreeze, run: (reason) => unfreeze.run(id, reason) }}
          onClose={close}
        />
      )}
      {doing === "cancelOrders" && (
        <ReasonDialog
          title={words.cancelOrdersTitle(id)}
          submit={words.cancelOrders}
          isDangerous
          act={{ ...cancelOrders, run: (reason) => cancelOrders.run(id, reason) }}
          onClose={close}
        />
      )}
    </div>
  );
}
