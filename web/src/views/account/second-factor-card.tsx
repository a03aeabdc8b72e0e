import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { useForm } from "react-hook-form";

import type { Act } from "../../selectors/act";
import {
  type Enrolment,
  useConfirmSecondFactor,
  useDisableSecondFactor,
  useEnrol,
  useSecondFactor,
} from "../../selectors/account";
import { t } from "../../strings";
import { Copyable } from "../parts/copy";
import { Modal } from "../parts/dialog";
import { QrCode } from "../parts/qr-code";
import { QueryView } from "../parts/query-view";
import { RefusalText } from "../parts/refusal";
import { type OneCode, oneCode, type PasswordOnly, passwordOnly } from "./schemas";
import { TextField } from "./text-field";

const words = t.account.security;

export function SecondFactorCard() {
  const factor = useSecondFactor();
  // What was begun goes on, although the state changes under it: the recovery codes come when it is on already.
  const [doing, setDoing] = useState<"enable" | "disable" | null>(null);
  const close = (): void => setDoing(null);
  return (
    <section className="card">
      <h2>{words.factor}</h2>
      <p className="muted">{words.factorText}</p>
      <QueryView query={factor}>
        {({ enabled, recoveryCodesLeft }) => (
          <>
            <p>
              <span className={enabled ? "tag good" : "tag warn"}>
                {enabled ? words.factorOn : words.factorOff}
              </span>{" "}
              {enabled && <span className="muted">{words.codesLeft(recoveryCodesLeft)}</span>}
            </p>
            <div className="actions">
              <button
                type="button"
                className={enabled ? "button" : "button primary"}
                onClick={() => setDoing(enabled ? "disable" : "enable")}
              >
                {enabled ? words.disable : words.enable}
              </button>
            </div>
          </>
        )}
      </QueryView>
      {doing === "enable" && <Enable onClose={close} />}
      {doing === "disable" && <Disable onClose={close} />}
    </section>
  );
}

/** Password, then the secret and a first code, then the recovery codes. */
function Enable({ onClose }: { onClose: () => void }) {
  const enrol = useEnrol();
  const [enrolment, setEnrolment] = useState<Enrolment | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  if (codes !== null) {
    return (
      <Modal title={words.codesTitle} isOpen onClose={onClose}>
        <p className="muted">{words.codesText}</p>
        <ul className="codes">
          {codes.map((code) => (
            <li key={code}>
              <code>{code}</code>
            </li>
          ))}
        </ul>
        <div className="actions">
          <button type="button" className="button primary" onClick={onClose}>
            {t.account.done}
          </button>
        </div>
      </Modal>
    );
  }
  return (
    <Modal title={words.factor} isOpen onClose={onClose}>
      {enrolment === null ? (
        <PasswordStep
          enrol={enrol}
          onEnrolled={(made) => {
            setEnrolment(made);
          }}
        />
      ) : (
        <ConfirmStep enrolment={enrolment} onConfirmed={setCodes} />
      )}
    </Modal>
  );
}

interface PasswordStepProps {
  enrol: Act<[string], Enrolment>;
  onEnrolled: (enrolment: Enrolment) => void;
}

function PasswordStep({ enrol, onEnrolled }: PasswordStepProps) {
  const form = useForm<PasswordOnly>({
    resolver: zodResolver<PasswordOnly, unknown, PasswordOnly>(passwordOnly),
  });
  const submit = async ({ password }: PasswordOnly): Promise<void> => {
    const made = await enrol.run(password);
    if (made !== null) onEnrolled(made.answer);
  };
  return (
    <form onSubmit={(event) => void form.handleSubmit(submit)(event)} noValidate>
      <TextField
        label={t.account.password}
        type="password"
        autoComplete="current-password"
        problem={form.formState.errors.password?.message}
        {...form.register("password")}
      />
      <RefusalText error={enrol.error} />
      <button type="submit" className="button primary" disabled={enrol.isBusy}>
        {words.enable}
      </button>
    </form>
  );
}

interface ConfirmProps {
  enrolment: Enrolment;
  onConfirmed: (recoveryCodes: string[]) => void;
}

function ConfirmStep({ enrolment, onConfirmed }: ConfirmProps) {
  const confirm = useConfirmSecondFactor();
  return (
    <>
      <p className="muted">{words.scan}</p>
      <QrCode text={enrolment.provisioningUri} label={words.qr} />
      <Copyable label={words.key} text={enrolment.secret} />
      <CodeForm
        submit={words.confirm}
        isBusy={confirm.isBusy}
        error={confirm.error}
        onCode={async (code) => {
          const done = await confirm.run(code);
          if (done !== null) onConfirmed(done.answer.recoveryCodes);
        }}
      />
    </>
  );
}

function Disable({ onClose }: { onClose: () => void }) {
  const disable = useDisableSecondFactor();
  return (
    <Modal title={words.disable} isOpen onClose={onClose}>
      <CodeForm
        submit={words.disable}
        isBusy={disable.isBusy}
        error={disable.error}
        onCode={async (code) => {
          if ((await disable.run(code)) !== null) onClose();
        }}
      />
    </Modal>
  );
}

interface CodeFormProps {
  submit: string;
  isBusy: boolean;
  error: unknown;
  onCode: (code: string) => Promise<void>;
}

function CodeForm({ submit, isBusy, error, onCode }: CodeFormProps) {
  const form = useForm<OneCode>({ resolver: zodResolver<OneCode, unknown, OneCode>(oneCode) });
  return (
    <form onSubmit={(event) => void form.handleSubmit(({ code }) => onCode(code))(event)} noValidate>
      <TextField
        label={t.account.code}
        hint={t.account.codeHint}
        autoComplete="one-time-code"
        problem={form.formState.errors.code?.message}
        {...form.register("code")}
      />
      <RefusalText error={error} />
      <button type="submit" className="button primary" disabled={isBusy}>
        {submit}
      </button>
    </form>
  );
}
