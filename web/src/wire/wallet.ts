/** Money in and out, as the back office's wallet speaks of it. Amounts are decimal strings. */

import { asAccount, asAccountText } from "./rest";

export interface Network {
  network: string;
  name: string;
  isDefault: boolean;
  deposits: boolean;
  withdrawals: boolean;
  minimum: string;
  fee: string;
  step: string;
  confirmations: number;
  needsMemo: boolean;
  addressPattern: string;
}

export interface WalletAsset {
  asset: string;
  name: string;
  networks: Network[];
}

export interface DepositAddress {
  asset: string;
  network: string;
  address: string;
  memo: string;
}

export interface DepositRow {
  depositId: number;
  asset: string;
  network: string;
  txId: string;
  amount: string;
  confirmations: number;
  confirmationsNeeded: number;
  status: string;
  createdAt: string;
}

export interface WithdrawalRow {
  withdrawalId: number;
  asset: string;
  network: string;
  address: string;
  amount: string;
  fee: string;
  status: string;
  note: string | null;
  txId: string | null;
  createdAt: string;
}

export interface BookEntry {
  entryId: number;
  label: string;
  asset: string;
  network: string;
  address: string;
  memo: string;
  createdAt: string;
  usableAt: string;
}

export interface WalletLimits {
  tier: string;
  withdrawTo: "ANY" | "BOOK";
  lockedUntil: string | null;
  frozen: boolean;
  secondFactor: boolean;
  limits: { asset: string; limit: string; left: string }[];
}

export interface NewWithdrawal {
  asset: string;
  network: string;
  amount: string;
  address: string;
  memo: string;
  withdrawOrderId: string;
  code?: string;
}

export interface NewBookEntry {
  label: string;
  asset: string;
  network: string;
  address: string;
  memo: string;
  code?: string;
}

export const listAssets = (): Promise<WalletAsset[]> => asAccount("GET", "/wallet/v1/assets");
export const readLimits = (): Promise<WalletLimits> => asAccount("GET", "/wallet/v1/limits");
export const depositAddress = (asset: string, network: string): Promise<DepositAddress> =>
  asAccount("GET", `/wallet/v1/deposit-address?asset=${asset}&network=${network}`);
export const listDeposits = (): Promise<DepositRow[]> => asAccount("GET", "/wallet/v1/deposits");
export const listWithdrawals = (): Promise<WithdrawalRow[]> => asAccount("GET", "/wallet/v1/withdrawals");
export const withdraw = (wish: NewWithdrawal): Promise<WithdrawalRow> =>
  asAccount("POST", "/wallet/v1/withdrawals", wish);
export const cancelWithdrawal = (id: number): Promise<unknown> =>
  asAccount("POST", `/wallet/v1/withdrawals/${id}/cancel`);
export const listBook = (): Promise<BookEntry[]> => asAccount("GET", "/wallet/v1/address-book");
export const addToBook = (entry: NewBookEntry): Promise<BookEntry> =>
  asAccount("POST", "/wallet/v1/address-book", entry);
export const removeFromBook = (id: number): Promise<unknown> =>
  asAccount("DELETE", `/wallet/v1/address-book/${id}`);
export const statement = (start: string, end: string): Promise<string> =>
  asAccountText(`/wallet/v1/statement.csv?${new URLSearchParams({ from: start, to: end }).toString()}`);
