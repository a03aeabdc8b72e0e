import { type ComponentProps, useId } from "react";

interface Props extends ComponentProps<"input"> {
  label: string;
  problem?: string | undefined;
  hint?: string;
}

/** An input with its label, what helps, and what is wrong with it. */
export function TextField({ label, problem, hint, ...input }: Props) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        {...input}
        id={id}
        className="input"
        aria-invalid={problem !== undefined}
        aria-describedby={
          problem !== undefined ? `${id}-problem` : hint !== undefined ? `${id}-hint` : undefined
        }
      />
      {problem !== undefined ? (
        <p className="problem" id={`${id}-problem`}>
          {problem}
        </p>
      ) : (
        hint !== undefined && (
          <p className="hint" id={`${id}-hint`}>
            {hint}
          </p>
        )
      )}
    </div>
  );
}
