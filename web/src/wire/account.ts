/** What belongs to the account itself: security, API keys, sessions, notices (auth and notifier). */

import { asAccount } from "./rest";

export interface AccountView {
  accountId: number;
  email: string | null;
  emailConfirmed: boolean;
  createdAt: string;
  hasSecondFactor: boolean;
  roles: string[];
}

export interface OpenSession {
  sessionId: string;
  isCurrent: boolean;
  createdAt: string;
  lastUsedAt: string;
  address: string | null;
  userAgent: string;
  secondFactor: boolean;
}

export interface AuditEntry {
  auditId: number;
  occurredAt: string;
  action: string;
  address: string | null;
  userAgent: string;
}

export interface SecondFactor {
  enabled: boolean;
  recoveryCodesLeft: number;
}

export interface Enrolment {
  secret: string;
  provisioningUri: string;
}

export type Permission = "read" | "trade" | "withdraw";

export interface ApiKey {
  apiKey: string;
  label: string;
  permissions: Permission[];
  kind: string;
  ipAllowList: string[];
  createdAt: string;
  expiresAt?: string;
  lastUsedAt?: string;
  secretKey?: string;
}

export interface NewApiKey {
  label: string;
  permissions: Permission[];
  ipAllowList: string[];
  publicKey?: string;
}

export interface Notice {
  noticeId: string;
  kind: string;
  occurredAt: string;
  title: string;
  text: string;
  readAt: string | null;
}

export interface Preference {
  kind: string;
  channel: string;
  enabled: boolean;
  fixed: boolean;
}

export interface NoticePreferences {
  preferences: Preference[];
  channels: string[];
}

export const readAccount = (): Promise<AccountView> => asAccount("GET", "/auth/v1/account");
export const changePassword = (currentPassword: string, newPassword: string): Promise<unknown> =>
  asAccount("POST", "/auth/v1/password", { currentPassword, newPassword });
export const listSessions = (): Promise<OpenSession[]> => asAccount("GET", "/auth/v1/sessions");
export const endSession = (id: string): Promise<unknown> => asAccount("DELETE", `/auth/v1/sessions/${id}`);
export const endOtherSessions = (): Promise<unknown> => asAccount("DELETE", "/auth/v1/sessions");
export const listActivity = (): Promise<AuditEntry[]> => asAccount("GET", "/auth/v1/audit?limit=30");

export const readSecondFactor = (): Promise<SecondFactor> => asAccount("GET", "/auth/v1/second-factor");
export const enrolSecondFactor = (password: string): Promise<Enrolment> =>
  asAccount("POST", "/auth/v1/second-factor", { password });
export const confirmSecondFactor = (code: string): Promise<{ recoveryCodes: string[] }> =>
  asAccount("POST", "/auth/v1/second-factor/confirm", { code });
export const disableSecondFactor = (code: string): Promise<unknown> =>
  asAccount("POST", "/auth/v1/second-factor/disable", { code });

export const listApiKeys = (): Promise<ApiKey[]> => asAccount("GET", "/auth/v1/api-keys");
export const createApiKey = (key: NewApiKey): Promise<ApiKey> => asAccount("POST", "/auth/v1/api-keys", key);
export const deleteApiKey = (apiKey: string): Promise<unknown> =>
  asAccount("DELETE", `/auth/v1/api-keys/${apiKey}`);

export const listNotices = (): Promise<{ notices: Notice[]; unread: number }> =>
  asAccount("GET", "/notifier/v1/notices?limit=30");
export const markNoticesRead = (upTo: string): Promise<unknown> =>
  asAccount("POST", "/notifier/v1/notices/read", { upTo });
export const readPreferences = (): Promise<NoticePreferences> => asAccount("GET", "/notifier/v1/preferences");
export const changePreference = (
  kind: string,
  channel: string,
  enabled: boolean,
): Promise<NoticePreferences> =>
  asAccount("PUT", "/notifier/v1/preferences", { changes: [{ kind, channel, enabled }] });
