import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm } from "react-hook-form";

import {
  type ApiKey,
  type Permission,
  useApiKeys,
  useCreateApiKey,
  useDeleteApiKey,
} from "../../selectors/account";
import { t } from "../../strings";
import { Copyable } from "../parts/copy";
import { DataTable } from "../parts/data-table";
import { Modal } from "../parts/dialog";
import { QueryView } from "../parts/query-view";
import { RefusalText } from "../parts/refusal";
import { day, moment } from "../parts/time";
import { apiKey, type ApiKeyForm, toLines } from "./schemas";
import { TextField } from "./text-field";

const words = t.account.apiKeys;
const PERMISSIONS: readonly Permission[] = ["read", "trade", "withdraw"];

export function ApiKeysPage() {
  const keys = useApiKeys();
  const [isCreating, setIsCreating] = useState(false);
  const [deleted, setDeleted] = useState<ApiKey | null>(null);
  return (
    <section className="card">
      <div className="card-head">
        <div>
          <h2>{words.title}</h2>
          <p className="muted">{words.text}</p>
        </div>
        <button type="button" className="button primary" onClick={() => setIsCreating(true)}>
          {words.create}
        </button>
      </div>
      <QueryView query={keys} empty={words.none}>
        {(rows) => (
          <DataTable
            label={words.title}
            rows={rows}
            rowId={(key) => key.apiKey}
            columns={[
              { id: "label", header: words.label, accessorFn: (key) => key.label },
              {
                id: "key",
                header: words.key,
                enableSorting: false,
                cell: ({ row }) => <code>{`${row.original.apiKey.slice(0, 10)}…`}</code>,
              },
              {
                id: "permissions",
                header: words.permissions,
                enableSorting: false,
                cell: ({ row }) => row.original.permissions.map((one) => words.permissionOf[one]).join(", "),
              },
              {
                id: "addresses",
                header: words.addresses,
                enableSorting: false,
                cell: ({ row }) => row.original.ipAllowList.join(", ") || words.anywhere,
              },
              {
                id: "created",
                header: words.created,
                accessorFn: (key) => key.createdAt,
                cell: ({ row }) => day(row.original.createdAt),
              },
              {
                id: "used",
                header: words.lastUsed,
                accessorFn: (key) => key.lastUsedAt ?? "",
                cell: ({ row: { original } }) =>
                  original.lastUsedAt === undefined ? words.never : moment(Date.parse(original.lastUsedAt)),
              },
              {
                id: "delete",
                header: () => <span className="unseen">{t.trade.orders.actions}</span>,
                enableSorting: false,
                meta: { isNumber: true },
                cell: ({ row }) => (
                  <button
                    type="button"
                    className="button small danger"
                    aria-label={words.deleteOf(row.original.label)}
                    onClick={() => setDeleted(row.original)}
                  >
                    {t.account.remove}
                  </button>
                ),
              },
            ]}
          />
        )}
      </QueryView>
      {isCreating && <CreateKey onClose={() => setIsCreating(false)} />}
      {deleted !== null && <DeleteKey apiKey={deleted} onClose={() => setDeleted(null)} />}
    </section>
  );
}

function CreateKey({ onClose }: { onClose: () => void }) {
  const create = useCreateApiKey();
  const [made, setMade] = useState<ApiKey | null>(null);
  if (made !== null) {
    return (
      <Modal title={words.secretTitle} isOpen onClose={onClose}>
        <Copyable label={words.key} text={made.apiKey} />
        {made.secretKey !== undefined && (
          <>
            <p className="muted">{words.secretText}</p>
            <Copyable label={words.secret} text={made.secretKey} />
          </>
        )}
        <div className="actions">
          <button type="button" className="button primary" onClick={onClose}>
            {t.account.done}
          </button>
        </div>
      </Modal>
    );
  }
  const submit = async (form: ApiKeyForm): Promise<void> => {
    const publicKey = form.publicKey.trim();
    const done = await create.run({
      label: form.label,
      permissions: PERMISSIONS.filter((one) => form[one]),
      ipAllowList: toLines(form.addresses),
      ...(publicKey === "" ? {} : { publicKey }),
    });
    if (done !== null) setMade(done.answer);
  };
  return (
    <Modal title={words.create} isOpen onClose={onClose}>
      <KeyForm isBusy={create.isBusy} error={create.error} onKey={submit} onClose={onClose} />
    </Modal>
  );
}

interface KeyFormProps {
  isBusy: boolean;
  error: unknown;
  onKey: (form: ApiKeyForm) => Promise<void>;
  onClose: () => void;
}

function KeyForm({ isBusy, error, onKey, onClose }: KeyFormProps) {
  const form = useForm<ApiKeyForm>({
    resolver: zodResolver<ApiKeyForm, unknown, ApiKeyForm>(apiKey),
    defaultValues: { label: "", read: true, trade: false, withdraw: false, addresses: "", publicKey: "" },
  });
  const { errors } = form.formState;
  return (
    <form onSubmit={(event) => void form.handleSubmit(onKey)(event)} noValidate>
      <TextField
        label={words.label}
        autoComplete="off"
        problem={errors.label?.message}
        {...form.register("label")}
      />
      <fieldset className="theme-choice">
        <legend className="field-label">{words.permissions}</legend>
        {PERMISSIONS.map((one) => (
          <label key={one} className="check">
            <input type="checkbox" {...form.register(one)} />
            {words.permissionOf[one]}
          </label>
        ))}
        {errors.read !== undefined && <p className="problem">{errors.read.message}</p>}
      </fieldset>
      <TextField
        label={words.addresses}
        isLong
        hint={words.addressesHint}
        problem={errors.addresses?.message}
        {...form.register("addresses")}
      />
      <TextField label={words.publicKey} isLong hint={words.publicKeyHint} {...form.register("publicKey")} />
      <RefusalText error={error} />
      <div className="actions">
        <button type="button" className="button" onClick={onClose}>
          {t.account.cancel}
        </button>
        <button type="submit" className="button primary" disabled={isBusy}>
          {words.create}
        </button>
      </div>
    </form>
  );
}

function DeleteKey({ apiKey: key, onClose }: { apiKey: ApiKey; onClose: () => void }) {
  const remove = useDeleteApiKey();
  return (
    <Modal title={words.deleteTitle(key.label)} isOpen onClose={onClose}>
      <p className="muted">{words.deleteText}</p>
      <RefusalText error={remove.error} />
      <div className="actions">
        <button type="button" className="button" onClick={onClose}>
          {t.account.cancel}
        </button>
        <button
          type="button"
          className="button sell"
          disabled={remove.isBusy}
          onClick={() => void remove.run(key.apiKey).then((done) => done !== null && onClose())}
        >
          {t.account.remove}
        </button>
      </div>
    </Modal>
  );
}
