import { inWords } from "./in-words";

/** Why something was not done, read out when it appears. */
export function RefusalText({ error }: { error: unknown }) {
  if (error === null || error === undefined) return null;
  return (
    <p className="problem" role="alert">
      {inWords(error)}
    </p>
  );
}
