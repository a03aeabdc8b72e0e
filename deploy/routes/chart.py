"""What the chart's templates need of the table; they turn it into HTTPRoutes and KongPlugins."""

from typing import Any

import msgspec

from deploy.routes.kong import methods
from deploy.routes.table import Table


def routes(table: Table) -> dict[str, Any]:
    return {
        "cors": msgspec.to_builtins(table.cors),
        "routes": [msgspec.to_builtins(route) | {"methods": methods(route)} for route in table.route],
    }
