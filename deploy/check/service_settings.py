"""What each service must be told and may be told, by its own settings class: a mistyped variable is ignored by the
service, and found here.
"""

import importlib
from collections.abc import Collection, Iterator
from importlib.util import find_spec
from typing import Final

from services.infra.settings import ServiceSettings

PREFIX: Final = "CROSSBOOK_"
# Set by the image.
_BY_IMAGE: Final = frozenset({"CROSSBOOK_HOST", "CROSSBOOK_PORT", "CROSSBOOK_RELEASE"})


def complaints(module: str, variables: Collection[str]) -> Iterator[str]:
    """``module`` is what a container runs, as ``services.auth``."""
    settings = _class(module)
    if settings is None:
        return
    known = {f"{PREFIX}{name.upper()}" for name in settings.model_fields}
    needed = {f"{PREFIX}{name.upper()}" for name, field in settings.model_fields.items() if field.is_required()}
    told = {variable for variable in variables if variable.startswith(PREFIX)}
    for variable in sorted(told - known - _BY_IMAGE):
        yield f"{module} knows no {variable}"
    for variable in sorted(needed - told - _BY_IMAGE):
        yield f"{module} is not told {variable}"


def _class(module: str) -> type[ServiceSettings] | None:
    if find_spec(module) is None or find_spec(f"{module}.settings") is None:
        return None
    defined = vars(importlib.import_module(f"{module}.settings"))
    return next(
        value
        for value in defined.values()
        if isinstance(value, type) and issubclass(value, ServiceSettings) and value is not ServiceSettings
    )
