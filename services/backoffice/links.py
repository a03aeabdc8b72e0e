"""Which calls follow from an answer of the back office."""

from typing import Final

from services.infra.links import Link, of_body

_WITHDRAWAL: Final = of_body(withdrawalId="withdrawalId")
_ASSET: Final = of_body(asset="asset")
_DECISIONS: Final = ("approve_withdrawal", "reject_withdrawal", "settle_withdrawal", "fail_payout", "retry_payout")

LINKS: Final = (
    Link("wallet_list_assets", 200, "wallet_read_deposit_address", of_body(asset="0/asset")),
    Link(
        "wallet_read_deposit_address",
        200,
        "wallet_report_deposit",
        body=of_body(asset="asset", network="network", address="address", memo="memo"),
    ),
    Link("wallet_read_deposit_address", 200, "wallet_list_deposits", _ASSET),
    Link("wallet_read_deposit_address", 200, "wallet_withdraw", body=_ASSET),
    Link("wallet_report_deposit", 200, "admin_match_deposit", of_body(depositId="depositId")),
    Link("admin_credit_deposit", 201, "admin_match_deposit", of_body(depositId="depositId")),
    Link("wallet_list_deposits", 200, "wallet_withdraw", body=of_body(asset="0/asset")),
    Link("wallet_add_entry", 201, "wallet_rename_entry", of_body(entryId="entryId")),
    Link("wallet_add_entry", 201, "wallet_delete_entry", of_body(entryId="entryId")),
    Link("wallet_add_entry", 201, "wallet_withdraw", body=of_body(asset="asset", network="network", entryId="entryId")),
    Link("wallet_list_entries", 200, "wallet_delete_entry", of_body(entryId="0/entryId")),
    *(
        Link(after, 201, then, _WITHDRAWAL)
        for after in ("wallet_withdraw", "internal_withdraw")
        for then in (
            *("wallet_read_withdrawal", "wallet_cancel_withdrawal", "admin_show_withdrawal"),
            *(f"admin_{decision}" for decision in _DECISIONS),
        )
    ),
    Link("admin_approve_withdrawal", 200, "admin_settle_withdrawal", _WITHDRAWAL),
    Link("wallet_cancel_withdrawal", 200, "wallet_read_withdrawal", _WITHDRAWAL),
    Link("wallet_list_withdrawals", 200, "wallet_cancel_withdrawal", of_body(withdrawalId="0/withdrawalId")),
    Link("admin_find_users", 200, "admin_show_user", of_body(accountId="0/accountId")),
)
