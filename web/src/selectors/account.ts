/** The account's own things, read and changed. */

import { useQuery } from "@tanstack/react-query";

import * as wire from "../wire/account";
import { useAct } from "./act";

export type {
  ApiKey,
  AuditEntry,
  Enrolment,
  NewApiKey,
  Notice,
  OpenSession,
  Permission,
  Preference,
} from "../wire/account";

export const useAccount = (enabled = true) =>
  useQuery({ queryKey: ["account"], queryFn: wire.readAccount, enabled });
export const useSessions = () => useQuery({ queryKey: ["sessions"], queryFn: wire.listSessions });
export const useActivity = () => useQuery({ queryKey: ["activity"], queryFn: wire.listActivity });
export const useSecondFactor = () => useQuery({ queryKey: ["secondFactor"], queryFn: wire.readSecondFactor });
export const useApiKeys = () => useQuery({ queryKey: ["apiKeys"], queryFn: wire.listApiKeys });
export const useNotices = () => useQuery({ queryKey: ["notices"], queryFn: wire.listNotices, retry: 1 });
export const useNoticePreferences = () =>
  useQuery({ queryKey: ["noticePreferences"], queryFn: wire.readPreferences, retry: 1 });

export const useChangePassword = () => useAct(wire.changePassword, "sessions", "activity");
export const useEndSession = () => useAct(wire.endSession, "sessions", "activity");
export const useEndOtherSessions = () => useAct(wire.endOtherSessions, "sessions", "activity");
export const useEnrol = () => useAct(wire.enrolSecondFactor, "secondFactor");
export const useConfirmSecondFactor = () =>
  useAct(wire.confirmSecondFactor, "secondFactor", "account", "activity");
export const useDisableSecondFactor = () =>
  useAct(wire.disableSecondFactor, "secondFactor", "account", "activity");
export const useCreateApiKey = () => useAct(wire.createApiKey, "apiKeys", "activity");
export const useDeleteApiKey = () => useAct(wire.deleteApiKey, "apiKeys", "activity");
export const useMarkRead = () => useAct(wire.markNoticesRead, "notices");
export const useChangePreference = () => useAct(wire.changePreference, "noticePreferences");
