import { t } from "../../strings";
import { SubPages } from "../parts/sub-pages";
import { SignedInOnly } from "./signed-in-only";

export function AccountPages() {
  return (
    <SignedInOnly>
      <SubPages
        title={t.account.title}
        pages={[
          ["/account", t.account.tabs.security],
          ["/account/api-keys", t.account.tabs.apiKeys],
          ["/account/notices", t.account.tabs.notices],
          ["/account/activity", t.account.tabs.activity],
        ]}
      />
    </SignedInOnly>
  );
}
