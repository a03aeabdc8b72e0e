import { type ComponentProps, useId } from "react";

interface Props extends Omit<ComponentProps<"input">, "ref"> {
  label: string;
  problem?: string | undefined;
  hint?: string;
  /** Several lines. */
  isLong?: boolean;
  ref?: React.Ref<HTMLInputElement & HTMLTextAreaElement>;
}

/** An input with its label, what helps, and what is wrong with it. */
export function TextField({ label, problem, hint, isLong = false, ...input }: Props) {
  const id = useId();
  const described = {
    id,
    className: "input",
    "aria-invalid": problem !== undefined,
    "aria-describedby":
      problem !== undefined ? `${id}-problem` : hint !== undefined ? `${id}-hint` : undefined,
  };
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {isLong ? (
        <textarea {...(input as ComponentProps<"textarea">)} {...described} spellCheck={false} />
      ) : (
        <input {...input} {...described} />
      )}
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
