import { t } from "../../strings";
import { SubPages } from "../parts/sub-pages";
import { SignedInOnly } from "../account/signed-in-only";

export function WalletPages() {
  return (
    <SignedInOnly>
      <SubPages
        title={t.wallet.title}
        pages={[
          ["/wallet", t.wallet.tabs.balances],
          ["/wallet/deposit", t.wallet.tabs.deposit],
          ["/wallet/withdraw", t.wallet.tabs.withdraw],
          ["/wallet/addresses", t.wallet.tabs.book],
          ["/wallet/statement", t.wallet.tabs.statement],
        ]}
      />
    </SignedInOnly>
  );
}
