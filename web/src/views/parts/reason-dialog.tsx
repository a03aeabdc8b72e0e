import { type ReactNode, type SyntheticEvent, useState } from "react";

import type { Act } from "../../selectors/act";
import { t } from "../../strings";
import { TextField } from "../account/text-field";
import { Modal } from "./dialog";
import { say } from "./notices";
import { RefusalText } from "./refusal";

const REASON_CHARS_MIN = 3;

interface Props<T> {
  title: string;
  text?: string;
  submit: string;
  isDangerous?: boolean;
  /** Fields of its own, and whether they still lack something. */
  children?: ReactNode;
  isIncomplete?: boolean;
  act: Act<[string], T>;
  onClose: () => void;
}

/** Staff say why before anything is done. */
export function ReasonDialog<T>(props: Props<T>) {
  const { title, text, submit, isDangerous = false, children, isIncomplete = false, act, onClose } = props;
  const [reason, setReason] = useState("");
  const onSubmit = async (event: SyntheticEvent): Promise<void> => {
    event.preventDefault();
    if ((await act.run(reason.trim())) === null) return;
    say(t.operator.done);
    onClose();
  };
  return (
    <Modal title={title} isOpen onClose={onClose}>
      {text !== undefined && <p className="muted">{text}</p>}
      <form onSubmit={(event) => void onSubmit(event)}>
        {children}
        <TextField
          label={t.operator.reason}
          hint={t.operator.reasonHint}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
        <RefusalText error={act.error} />
        <div className="actions">
          <button type="button" className="button" onClick={onClose}>
            {t.account.cancel}
          </button>
          <button
            type="submit"
            className={`button ${isDangerous ? "sell" : "primary"}`}
            disabled={act.isBusy || isIncomplete || reason.trim().length < REASON_CHARS_MIN}
          >
            {submit}
          </button>
        </div>
      </form>
    </Modal>
  );
}
