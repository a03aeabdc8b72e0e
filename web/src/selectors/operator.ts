/** What staff see and do. Pages are for those whose session has a role; the back office decides, not the page. */

import { useQuery } from "@tanstack/react-query";

import { useSession } from "../state/session";
import * as wire from "../wire/admin";
import { useAccount } from "./account";
import { useAct } from "./act";

export type { StaffAudit, StaffMarket, StaffWithdrawal, User, UserDetails } from "../wire/admin";

const WATCH_MS = 10_000;

/** Asked for accounts with a role only. */
export function useStaff() {
  const isSignedIn = useSession(({ session }) => session.kind === "signedIn");
  const accountId = useSession(({ owned }) => owned.accountId);
  const { data: account } = useAccount(isSignedIn && accountId !== null);
  return useQuery({
    queryKey: ["staff", accountId],
    queryFn: async () => (account?.roles.length ? wire.readMe() : NO_STAFF),
    enabled: account !== undefined,
    staleTime: Infinity,
    retry: 0,
  });
}

const NO_STAFF: wire.Me = { actor: "", roles: [], actions: [] };

export const useUsers = (text: string) =>
  useQuery({ queryKey: ["users", text], queryFn: () => wire.findUsers(text) });
export const useUser = (id: number) => useQuery({ queryKey: ["user", id], queryFn: () => wire.showUser(id) });
export const useStaffWithdrawals = () =>
  useQuery({ queryKey: ["staffWithdrawals"], queryFn: wire.listStaffWithdrawals, refetchInterval: WATCH_MS });
export const useStaffMarkets = () => useQuery({ queryKey: ["staffMarkets"], queryFn: wire.listStaffMarkets });
export const useVenueStatus = () => useQuery({ queryKey: ["venue"], queryFn: wire.venueStatus });
export const useAudit = () => useQuery({ queryKey: ["audit"], queryFn: wire.readAudit });

export const useFreeze = () => useAct(wire.freeze, "user", "audit");
export const useUnfreeze = () => useAct(wire.unfreeze, "user", "audit");
export const useCancelOrdersOf = () => useAct(wire.cancelOrdersOf, "user", "audit");
export const useApprove = () => useAct(wire.approve, "staffWithdrawals", "audit");
export const useReject = () => useAct(wire.reject, "staffWithdrawals", "audit");
export const useSettle = () => useAct(wire.settle, "staffWithdrawals", "audit");
export const useSetMarketStatus = () => useAct(wire.setMarketStatus, "staffMarkets", "markets", "audit");
export const useDefineMarket = () => useAct(wire.defineMarket, "staffMarkets", "markets", "audit");
export const useSetVenueStatus = () => useAct(wire.setVenueStatus, "venue", "audit");
