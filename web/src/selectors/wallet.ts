/** Money in and out, read and moved. */

import { useQuery } from "@tanstack/react-query";

import * as wire from "../wire/wallet";
import { useAct } from "./act";

export type { BookEntry, DepositRow, Network, WalletAsset, WithdrawalRow } from "../wire/wallet";

/** Deposits and withdrawals move on by themselves while somebody looks, and staff freeze and let go. */
const WATCH_MS = 5_000;

export const useWalletAssets = () =>
  useQuery({ queryKey: ["walletAssets"], queryFn: wire.listAssets, retry: 1 });
export const useWalletLimits = () =>
  useQuery({ queryKey: ["walletLimits"], queryFn: wire.readLimits, refetchInterval: WATCH_MS, retry: 1 });
export const useDeposits = () =>
  useQuery({ queryKey: ["deposits"], queryFn: wire.listDeposits, refetchInterval: WATCH_MS, retry: 1 });
export const useWithdrawals = () =>
  useQuery({ queryKey: ["withdrawals"], queryFn: wire.listWithdrawals, refetchInterval: WATCH_MS, retry: 1 });
export const useBook = () => useQuery({ queryKey: ["addressBook"], queryFn: wire.listBook, retry: 1 });
export const useDepositAddress = (asset: string, network: string) =>
  useQuery({
    queryKey: ["depositAddress", asset, network],
    queryFn: () => wire.depositAddress(asset, network),
    enabled: network !== "",
    staleTime: Infinity,
    retry: 1,
  });

export const useWithdraw = () => useAct(wire.withdraw, "withdrawals", "walletLimits");
export const useCancelWithdrawal = () => useAct(wire.cancelWithdrawal, "withdrawals", "walletLimits");
export const useAddToBook = () => useAct(wire.addToBook, "addressBook");
export const useRemoveFromBook = () => useAct(wire.removeFromBook, "addressBook");
export const useStatement = () => useAct(wire.statement);
