/** What staff may do, as the back office lets them (docs/admin.md). Every change says why. */

import { asAccount } from "./rest";
import type { WithdrawalRow } from "./wallet";

export interface Me {
  actor: string;
  roles: string[];
  actions: string[];
}

export interface User {
  accountId: number;
  email: string | null;
  emailConfirmed: boolean;
  createdAt: string;
  hasSecondFactor: boolean;
  roles: string[];
}

export interface UserDetails extends User {
  status: string;
  feeTier: string | null;
  limitTier: string;
  balances: { asset: string; free: string; locked: string; withdrawing: string }[];
  openOrders: {
    orderId: number;
    symbol: string;
    side: string;
    type: string;
    price: string;
    quantity: string;
  }[];
}

export interface StaffWithdrawal extends WithdrawalRow {
  accountId: number;
  approvalsNeeded: number;
}

export interface StaffMarket {
  symbol: string;
  status: string;
  definition: Record<string, unknown>;
}

export interface StaffAudit {
  auditId: number;
  occurredAt: string;
  actor: string;
  action: string;
  subject: string;
  outcome: string;
  reason: string;
}

export const readMe = (): Promise<Me> => asAccount("GET", "/admin/v1/me");
export const findUsers = (query: string): Promise<User[]> =>
  asAccount("GET", `/admin/v1/users?${new URLSearchParams({ query }).toString()}`);
export const showUser = (id: number): Promise<UserDetails> => asAccount("GET", `/admin/v1/users/${id}`);
export const freeze = (id: number, reason: string): Promise<unknown> =>
  asAccount("POST", `/admin/v1/users/${id}/freeze`, { reason });
export const unfreeze = (id: number, reason: string): Promise<unknown> =>
  asAccount("POST", `/admin/v1/users/${id}/unfreeze`, { reason });
export const cancelOrdersOf = (id: number, reason: string): Promise<unknown> =>
  asAccount("POST", `/admin/v1/users/${id}/cancel-orders`, { reason });
export const listStaffWithdrawals = (): Promise<StaffWithdrawal[]> =>
  asAccount("GET", "/admin/v1/withdrawals");
export const approve = (id: number, reason: string): Promise<unknown> =>
  asAccount("POST", `/admin/v1/withdrawals/${id}/approve`, { reason });
export const reject = (id: number, reason: string): Promise<unknown> =>
  asAccount("POST", `/admin/v1/withdrawals/${id}/reject`, { reason });
export const settle = (id: number, reason: string, txId: string): Promise<unknown> =>
  asAccount("POST", `/admin/v1/withdrawals/${id}/settle`, { reason, txId });
export const listStaffMarkets = (): Promise<StaffMarket[]> => asAccount("GET", "/admin/v1/markets");
export const setMarketStatus = (symbol: string, status: string, reason: string): Promise<unknown> =>
  asAccount("PUT", `/admin/v1/markets/${symbol}/status`, { status, reason });
export const defineMarket = (symbol: string, definition: object, reason: string): Promise<unknown> =>
  asAccount("PUT", `/admin/v1/markets/${symbol}`, { definition, reason });
export const venueStatus = (): Promise<{ status: string }> => asAccount("GET", "/admin/v1/venue/status");
export const setVenueStatus = (status: string, reason: string): Promise<unknown> =>
  asAccount("PUT", "/admin/v1/venue/status", { status, reason });
export const readAudit = (): Promise<StaffAudit[]> => asAccount("GET", "/admin/v1/audit?limit=100");
