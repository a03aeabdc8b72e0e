import { useState } from "react";

import { e8, plain } from "../../calculators/money";
import { useDepositAddress, useDeposits, useWalletAssets } from "../../selectors/wallet";
import { offersDemoFunds } from "../../state/local-run";
import { t } from "../../strings";
import { humanize } from "../../strings/account";
import { Copyable } from "../parts/copy";
import { DataTable } from "../parts/data-table";
import { QrCode } from "../parts/qr-code";
import { QueryView } from "../parts/query-view";
import { moment } from "../parts/time";
import { DemoFunds } from "../trade/demo";
import { type Chosen, NetworkChoice, resolve } from "./network-choice";

const words = t.wallet;

export function DepositPage() {
  const assets = useWalletAssets();
  const [choice, setChoice] = useState({ asset: "", network: "" });
  return (
    <>
      {offersDemoFunds() && (
        <section className="card">
          <h2>{words.playTitle}</h2>
          <p className="muted">{words.playText}</p>
          <div className="actions start">
            <DemoFunds />
          </div>
        </section>
      )}
      <section className="card">
        <h2>{words.tabs.deposit}</h2>
        <QueryView query={assets} failed={words.failed}>
          {(all) => {
            const chosen = resolve(all, choice.asset, choice.network);
            if (chosen === null) return <p className="muted">{words.disabled}</p>;
            return (
              <>
                <NetworkChoice
                  assets={all}
                  chosen={chosen}
                  onChoice={(asset, network) => setChoice({ asset, network })}
                />
                {chosen.network.deposits ? (
                  <Address chosen={chosen} />
                ) : (
                  <p className="muted">{words.disabled}</p>
                )}
              </>
            );
          }}
        </QueryView>
      </section>
      <DepositList />
    </>
  );
}

function Address({ chosen: { asset, network } }: { chosen: Chosen }) {
  const address = useDepositAddress(asset.asset, network.network);
  return (
    <QueryView query={address} failed={words.failed}>
      {(found) => (
        <div className="deposit-address">
          <QrCode text={found.address} label={words.depositQr(asset.asset)} />
          <div className="stack">
            <p className="muted">{words.depositText}</p>
            <Copyable label={words.address} text={found.address} />
            {found.memo !== "" && (
              <>
                <Copyable label={words.memo} text={found.memo} />
                <p className="halted">{words.memoNeeded}</p>
              </>
            )}
            <p className="hint">
              {`${words.minimum(`${plain(e8(network.minimum))} ${asset.asset}`)} · ${words.confirmations(network.confirmations)}`}
            </p>
          </div>
        </div>
      )}
    </QueryView>
  );
}

function DepositList() {
  const deposits = useDeposits();
  return (
    <section className="card">
      <h2>{words.deposits}</h2>
      <QueryView query={deposits} empty={words.noDeposits} failed={words.failed}>
        {(rows) => (
          <DataTable
            label={words.deposits}
            rows={rows}
            rowId={(row) => String(row.depositId)}
            columns={[
              {
                id: "when",
                header: words.when,
                accessorFn: (row) => row.depositId,
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
                id: "status",
                header: words.status,
                accessorFn: (row) => row.status,
                cell: ({ row: { original } }) =>
                  `${humanize(original.status)} · ${words.confirmed(original.confirmations, original.confirmationsNeeded)}`,
              },
              {
                id: "transaction",
                header: words.transaction,
                enableSorting: false,
                cell: ({ row }) => <code>{`${row.original.txId.slice(0, 16)}…`}</code>,
              },
            ]}
          />
        )}
      </QueryView>
    </section>
  );
}
