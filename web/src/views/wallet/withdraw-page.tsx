import { type SyntheticEvent, useState } from "react";

import { e8, plain } from "../../calculators/money";
import { NOTHING } from "../../calculators/orders";
import { arrives, checkWithdrawal, type WithdrawalProblem } from "../../calculators/withdrawal";
import {
  type BookEntry,
  useBook,
  useWalletAssets,
  useWalletLimits,
  useWithdraw,
} from "../../selectors/wallet";
import { useSession } from "../../state/session";
import { newClientId } from "../../state/trading";
import { t } from "../../strings";
import { TextField } from "../account/text-field";
import { Modal } from "../parts/dialog";
import { say } from "../parts/notices";
import { QueryView } from "../parts/query-view";
import { RefusalText } from "../parts/refusal";
import { moment } from "../parts/time";
import { type Chosen, NetworkChoice, resolve } from "./network-choice";
import { WithdrawalList } from "./withdrawal-list";

const words = t.wallet;

export function WithdrawPage() {
  const assets = useWalletAssets();
  const [choice, setChoice] = useState({ asset: "", network: "" });
  return (
    <>
      <section className="card">
        <h2>{words.tabs.withdraw}</h2>
        <Standing />
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
                <WithdrawForm key={`${chosen.asset.asset}:${chosen.network.network}`} chosen={chosen} />
              </>
            );
          }}
        </QueryView>
      </section>
      <WithdrawalList />
    </>
  );
}

function Standing() {
  const { data } = useWalletLimits();
  if (data === undefined) return null;
  if (data.frozen) return <p className="halted">{words.frozen}</p>;
  if (data.lockedUntil === null) return null;
  return <p className="halted">{words.locked(moment(Date.parse(data.lockedUntil)))}</p>;
}

function sayProblem(problem: WithdrawalProblem | undefined): string | undefined {
  if (problem === undefined) return undefined;
  if (problem.key === "minimum" || problem.key === "step") return words.problems[problem.key](problem.bound);
  return words.problems[problem.key];
}

function WithdrawForm({ chosen: { asset, network } }: { chosen: Chosen }) {
  const [form, setForm] = useState({ amount: "", address: "", memo: "" });
  const [wasTried, setWasTried] = useState(false);
  const [isAsking, setIsAsking] = useState(false);
  const { data: limits } = useWalletLimits();
  const free = useSession(({ owned }) => (owned.balances[asset.asset] ?? NOTHING).free);
  const problems = checkWithdrawal(form, network, free);
  const problemOf = (field: "amount" | "address" | "memo"): string | undefined =>
    wasTried ? sayProblem(problems.find((one) => one.field === field)) : undefined;
  const left = limits?.limits.find((limit) => limit.asset === asset.asset)?.left;
  const arriving = arrives(form.amount, network.fee);
  const set = (change: Partial<typeof form>): void => setForm((before) => ({ ...before, ...change }));
  const onSubmit = (event: SyntheticEvent): void => {
    event.preventDefault();
    setWasTried(true);
    if (problems.length === 0) setIsAsking(true);
  };
  return (
    <form onSubmit={onSubmit} noValidate>
      <FromBook
        asset={asset.asset}
        network={network.network}
        onEntry={({ address, memo }) => set({ address, memo })}
      />
      <TextField
        label={words.address}
        value={form.address}
        autoComplete="off"
        problem={problemOf("address")}
        onChange={(event) => set({ address: event.target.value })}
      />
      {network.needsMemo && (
        <TextField
          label={words.memo}
          value={form.memo}
          autoComplete="off"
          problem={problemOf("memo")}
          onChange={(event) => set({ memo: event.target.value })}
        />
      )}
      <TextField
        label={`${words.amount} (${asset.asset})`}
        inputMode="decimal"
        autoComplete="off"
        value={form.amount}
        problem={problemOf("amount")}
        onChange={(event) => set({ amount: event.target.value.replace(",", ".") })}
      />
      <dl className="facts">
        <Fact name={words.available}>{`${plain(free)} ${asset.asset}`}</Fact>
        <Fact name={words.fee}>{`${plain(e8(network.fee))} ${asset.asset}`}</Fact>
        <Fact name={words.receives}>{arriving === null ? "–" : `${plain(arriving)} ${asset.asset}`}</Fact>
        {left !== undefined && <Fact name={words.left}>{`${plain(e8(left))} ${asset.asset}`}</Fact>}
      </dl>
      <div className="actions">
        <button
          type="submit"
          className="button primary"
          disabled={!network.withdrawals || limits?.frozen === true}
        >
          {words.send}
        </button>
      </div>
      {isAsking && (
        <Confirm
          wish={{ asset: asset.asset, network: network.network, ...form }}
          needsCode={limits?.secondFactor ?? false}
          onClose={() => setIsAsking(false)}
          onSent={() => {
            setIsAsking(false);
            setWasTried(false);
            setForm({ amount: "", address: "", memo: "" });
          }}
        />
      )}
    </form>
  );
}

function Fact({ name, children }: { name: string; children: string }) {
  return (
    <div className="row">
      <dt>{name}</dt>
      <dd className="number">{children}</dd>
    </div>
  );
}

interface FromBookProps {
  asset: string;
  network: string;
  onEntry: (entry: BookEntry) => void;
}

function FromBook({ asset, network, onEntry }: FromBookProps) {
  const { data = [] } = useBook();
  const fitting = data.filter((entry) => entry.asset === asset && entry.network === network);
  if (fitting.length === 0) return null;
  return (
    <label className="field">
      <span className="field-label">{words.fromBook}</span>
      <select
        className="select"
        defaultValue=""
        onChange={(event) => {
          const entry = fitting.find((one) => String(one.entryId) === event.target.value);
          if (entry !== undefined) onEntry(entry);
        }}
      >
        <option value="">{words.otherAddress}</option>
        {fitting.map((entry) => (
          <option key={entry.entryId} value={String(entry.entryId)}>
            {`${entry.label} · ${entry.address.slice(0, 12)}…`}
          </option>
        ))}
      </select>
    </label>
  );
}

interface ConfirmProps {
  wish: { asset: string; network: string; amount: string; address: string; memo: string };
  needsCode: boolean;
  onClose: () => void;
  onSent: () => void;
}

/** Shows once more what will happen. Its own id makes a second press harmless. */
function Confirm({ wish, needsCode, onClose, onSent }: ConfirmProps) {
  const withdraw = useWithdraw();
  const [id] = useState(newClientId);
  const [code, setCode] = useState("");
  const send = async (): Promise<void> => {
    const given = needsCode ? { code: code.trim() } : {};
    const sent = await withdraw.run({ ...wish, address: wish.address.trim(), withdrawOrderId: id, ...given });
    if (sent === null) return;
    say(words.sent);
    onSent();
  };
  return (
    <Modal title={words.confirmTitle} isOpen onClose={onClose}>
      <p>
        <strong>{`${wish.amount} ${wish.asset}`}</strong>
      </p>
      <code className="long">{wish.address}</code>
      <p className="muted">{words.confirmText}</p>
      {needsCode && (
        <TextField
          label={t.account.code}
          hint={t.account.codeHint}
          autoComplete="one-time-code"
          value={code}
          onChange={(event) => setCode(event.target.value)}
        />
      )}
      <RefusalText error={withdraw.error} />
      <div className="actions">
        <button type="button" className="button" onClick={onClose}>
          {t.account.cancel}
        </button>
        <button
          type="button"
          className="button primary"
          disabled={withdraw.isBusy}
          onClick={() => void send()}
        >
          {words.send}
        </button>
      </div>
    </Modal>
  );
}
