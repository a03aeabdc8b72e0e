import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { t } from "../../strings";
import { Failed, Nothing, Waiting } from "./states";

interface Props<T> {
  query: UseQueryResult<T>;
  /** Said when there is nothing in it. */
  empty?: string;
  failed?: string;
  children: (data: T) => ReactNode;
}

/** Loading, failed, empty or there: one of the four. */
export function QueryView<T>({ query, empty, failed, children }: Props<T>) {
  const { data, isError, refetch } = query;
  if (data === undefined && isError) {
    return <Failed text={failed ?? t.account.errors.unreachable ?? ""} onRetry={() => void refetch()} />;
  }
  if (data === undefined) return <Waiting />;
  if (empty !== undefined && Array.isArray(data) && data.length === 0) return <Nothing>{empty}</Nothing>;
  return children(data);
}
