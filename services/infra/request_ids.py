"""Which request a log line and an answer belong to: the caller's own id when it is well formed, else a new one."""

import random
import re
from typing import Final

REQUEST_ID_HEADER: Final = "X-Request-Id"
_NEW_BITS: Final = 128
_well_formed = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


def request_id(given: str | None) -> str:
    if given and _well_formed.fullmatch(given):
        return given
    # Not to be met twice is enough, and needs no system call.
    return f"{random.getrandbits(_NEW_BITS):032x}"
