"""Which calls follow from an answer of the notifier's."""

from typing import Final

from services.infra.links import Link, of_body

_WEBHOOK: Final = of_body(webhook_id="webhookId")

LINKS: Final = (
    *(
        Link(after, status, then, _WEBHOOK)
        for after, status in (("create_webhook", 201), ("change_webhook", 200))
        for then in ("change_webhook", "test_webhook", "delete_webhook")
    ),
    Link("list_webhooks", 200, "delete_webhook", of_body(webhook_id="0/webhookId")),
    Link("list_notices", 200, "mark_read", body=of_body(upTo="notices/0/noticeId")),
    Link("set_phone", 202, "confirm_phone"),
    Link("set_phone", 202, "delete_phone"),
    Link("list_parked", 200, "retry_parked", of_body(delivery_id="0/deliveryId")),
)
