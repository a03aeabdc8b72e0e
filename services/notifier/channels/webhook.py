"""Webhooks: one signed POST per delivery, to an address that was checked (``addresses.py``), following no redirect.

Any 2xx answer is a success. 410 means that the receiver wants no more of this notice. The answer's body is not read.
"""

import time
from typing import Any, Final

import httpx
import msgspec

from services.notifier.channels.addresses import BadUrl, parse_target, resolve
from services.notifier.channels.outcome import Failed, NotWanted, Refused
from services.notifier.channels.signatures import SIGNATURE_HEADER, signature

CONNECT_TIMEOUT_S: Final = 3.0
USER_AGENT: Final = "Crossbook-Webhook/1"


class WebhookSender:
    """``close`` it in the end."""

    def __init__(self, *, may_be_local: bool, timeout_s: float, width: int) -> None:
        self._may_be_local = may_be_local
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
            # Connections are not kept: the next one must be checked anew.
            limits=httpx.Limits(max_connections=width, max_keepalive_connections=0),
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, url: str, secret: str, content: dict[str, Any]) -> None:
        try:
            target = parse_target(url, may_be_local=self._may_be_local)
        except BadUrl as error:
            raise Refused(f"the webhook's URL {error}") from None
        address = await resolve(target, may_be_local=self._may_be_local)
        body = msgspec.json.encode(content)
        headers = {
            "Host": target.host_header,
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            SIGNATURE_HEADER: signature(secret, body, int(time.time())),
        }
        pinned = httpx.URL(scheme=target.scheme, host=address, port=target.port, raw_path=target.resource.encode())
        request = self._client.build_request(
            "POST", pinned, content=body, headers=headers, extensions={"sni_hostname": target.host}
        )
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise Failed(f"webhook: {type(error).__name__}") from None
        await response.aclose()
        _check(response.status_code)


def _check(status: int) -> None:
    if status == httpx.codes.GONE:
        raise NotWanted("the webhook answered 410")
    if not httpx.codes.is_success(status):
        raise Failed(f"the webhook answered {status}")
