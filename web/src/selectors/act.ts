/** Doing something and seeing what follows: whoever reads the same is asked anew, and a refusal is kept to be shown. */

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

export interface Act<A extends unknown[], T> {
  /** The answer in a box, or null after a refusal, which `error` then is. */
  run: (...given: A) => Promise<{ answer: T } | null>;
  isBusy: boolean;
  error: unknown;
  forget: () => void;
}

export function useAct<A extends unknown[], T>(
  work: (...given: A) => Promise<T>,
  ...affected: string[]
): Act<A, T> {
  const queries = useQueryClient();
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const run = async (...given: A): Promise<{ answer: T } | null> => {
    setIsBusy(true);
    setError(null);
    try {
      return { answer: await work(...given) };
    } catch (thrown) {
      setError(thrown);
      return null;
    } finally {
      setIsBusy(false);
      // Also after a refusal: what is shown may be what made somebody ask for it.
      for (const key of affected) void queries.invalidateQueries({ queryKey: [key] });
    }
  };
  return { run, isBusy, error, forget: () => setError(null) };
}
