import { type SyntheticEvent, useState } from "react";

import {
  type BookEntry,
  useAddToBook,
  useBook,
  useRemoveFromBook,
  useWalletAssets,
  useWalletLimits,
} from "../../selectors/wallet";
import { t } from "../../strings";
import { TextField } from "../account/text-field";
import { DataTable } from "../parts/data-table";
import { QueryView } from "../parts/query-view";
import { RefusalText } from "../parts/refusal";
import { moment } from "../parts/time";
import { type Chosen, NetworkChoice, resolve } from "./network-choice";

const words = t.wallet;

export function AddressBookPage() {
  const book = useBook();
  return (
    <>
      <AddCard />
      <section className="card">
        <h2>{words.tabs.book}</h2>
        <QueryView query={book} empty={words.noEntries} failed={words.failed}>
          {(rows) => (
            <DataTable
              label={words.tabs.book}
              rows={rows}
              rowId={(entry) => String(entry.entryId)}
              columns={[
                { id: "label", header: words.label, accessorFn: (entry) => entry.label },
                { id: "asset", header: words.asset, accessorFn: (entry) => entry.asset },
                { id: "network", header: words.network, accessorFn: (entry) => entry.network },
                {
                  id: "address",
                  header: words.address,
                  enableSorting: false,
                  cell: ({ row }) => <code>{row.original.address}</code>,
                },
                {
                  id: "usable",
                  header: words.status,
                  accessorFn: (entry) => entry.usableAt,
                  cell: ({ row: { original } }) => words.usable(moment(Date.parse(original.usableAt))),
                },
                {
                  id: "remove",
                  header: () => <span className="unseen">{t.trade.orders.actions}</span>,
                  enableSorting: false,
                  meta: { isNumber: true },
                  cell: ({ row }) => <RemoveButton entry={row.original} />,
                },
              ]}
            />
          )}
        </QueryView>
      </section>
    </>
  );
}

function RemoveButton({ entry }: { entry: BookEntry }) {
  const remove = useRemoveFromBook();
  return (
    <button
      type="button"
      className="button small danger"
      disabled={remove.isBusy}
      aria-label={words.removeOf(entry.label)}
      onClick={() => void remove.run(entry.entryId)}
    >
      {t.account.remove}
    </button>
  );
}

function AddCard() {
  const assets = useWalletAssets();
  const [choice, setChoice] = useState({ asset: "", network: "" });
  return (
    <section className="card">
      <h2>{words.addTitle}</h2>
      <QueryView query={assets} failed={words.failed}>
        {(all) => {
          const chosen = resolve(all, choice.asset, choice.network);
          if (chosen === null) return null;
          return (
            <>
              <NetworkChoice
                assets={all}
                chosen={chosen}
                onChoice={(asset, network) => setChoice({ asset, network })}
              />
              <AddForm chosen={chosen} />
            </>
          );
        }}
      </QueryView>
    </section>
  );
}

const BLANK = { label: "", address: "", memo: "", code: "" };

function AddForm({ chosen: { asset, network } }: { chosen: Chosen }) {
  const add = useAddToBook();
  const { data: limits } = useWalletLimits();
  const [form, setForm] = useState(BLANK);
  const set = (change: Partial<typeof BLANK>): void => setForm((before) => ({ ...before, ...change }));
  const needsCode = limits?.secondFactor === true;
  const onSubmit = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    const { label, address, memo, code } = form;
    const entry = {
      label: label.trim(),
      asset: asset.asset,
      network: network.network,
      address: address.trim(),
      memo,
    };
    if ((await add.run({ ...entry, ...(needsCode ? { code: code.trim() } : {}) })) !== null) setForm(BLANK);
  };
  return (
    <form onSubmit={(event) => void onSubmit(event)}>
      <TextField
        label={words.label}
        value={form.label}
        onChange={(event) => set({ label: event.target.value })}
      />
      <TextField
        label={words.address}
        autoComplete="off"
        value={form.address}
        onChange={(event) => set({ address: event.target.value })}
      />
      {network.needsMemo && (
        <TextField
          label={words.memo}
          value={form.memo}
          onChange={(event) => set({ memo: event.target.value })}
        />
      )}
      {needsCode && (
        <TextField
          label={t.account.code}
          hint={t.account.codeHint}
          autoComplete="one-time-code"
          value={form.code}
          onChange={(event) => set({ code: event.target.value })}
        />
      )}
      <RefusalText error={add.error} />
      <div className="actions">
        <button
          type="submit"
          className="button primary"
          disabled={add.isBusy || form.label.trim() === "" || form.address.trim() === ""}
        >
          {words.add}
        </button>
      </div>
    </form>
  );
}
