"""Which request a log line and an answer belong to: the caller's own id when it is well formed, else a new one."""

import os
import re
from typing import Final

REQUEST_ID_HEADER: Final = "X-Request-Id"
_NEW_BYTES: Final = 16
_well_formed = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def request_id(given: str | None) -> str:
    return given if given and _well_formed.fullmatch(given) else os.urandom(_NEW_BYTES).hex()
