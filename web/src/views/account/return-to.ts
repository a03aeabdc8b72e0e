import { useLocation } from "react-router";

/** Where somebody was when they were asked to sign in. */
export function useReturnTo(): string {
  const { state } = useLocation() as { state: { from?: string } | null };
  return state?.from ?? "/";
}
