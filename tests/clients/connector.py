"""Runs in binance-connector's own environment: calls what each line of its input names, and prints what came back.

Both are JSON: ``["depth", ["BTCUSDT"], {"limit": 5}]`` in, ``{"answer": …}`` or ``{"error": [status, code, message]}``
out. Its arguments are the exchange's address, an API key and its secret.
"""

import json
import sys

from binance.error import ClientError  # type: ignore[import-untyped]
from binance.spot import Spot  # type: ignore[import-untyped]


def main() -> None:
    address, api_key, secret_key = sys.argv[1:]
    client = Spot(api_key, secret_key, base_url=address)
    for line in sys.stdin:
        name, positional, named = json.loads(line)
        try:
            told = {"answer": getattr(client, name)(*positional, **named)}
        except ClientError as error:
            told = {"error": [error.status_code, error.error_code, error.error_message]}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
