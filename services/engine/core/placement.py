"""A placement: what one PlaceOrder asks for, each of its fields read once.

Admission looks at most fields several times, and reading one of a command, which is a msgspec struct, costs compiled
code ten times as much as reading one of these.
"""

from services.domain.commands import PlaceOrder


class Placement:
    """Fields are the command's. A plain one has no more than a type, a quantity and a price."""

    __slots__ = (
        "account_id",
        "client_order_id",
        "iceberg_e8",
        "is_plain",
        "peg_offset",
        "peg_price",
        "price_e8",
        "quantity_e8",
        "quote_quantity_e8",
        "self_trade_prevention",
        "side",
        "stop_price_e8",
        "strategy_id",
        "strategy_type",
        "symbol",
        "time_in_force",
        "trailing_delta",
        "type",
    )

    def __init__(self, command: PlaceOrder) -> None:
        self.account_id = command.account_id
        self.symbol = command.symbol
        self.client_order_id = command.client_order_id
        self.side = command.side
        self.type = command.type
        self.time_in_force = command.time_in_force
        self.quantity_e8 = command.quantity_e8
        self.price_e8 = command.price_e8
        self.quote_quantity_e8 = command.quote_quantity_e8
        self.stop_price_e8 = command.stop_price_e8
        self.trailing_delta = command.trailing_delta
        self.iceberg_e8 = command.iceberg_e8
        self.self_trade_prevention = command.self_trade_prevention
        self.strategy_id = command.strategy_id
        self.strategy_type = command.strategy_type
        self.peg_price = command.peg_price
        self.peg_offset = command.peg_offset
        self.is_plain = (
            not (
                self.quote_quantity_e8
                or self.stop_price_e8
                or self.trailing_delta
                or self.iceberg_e8
                or self.peg_offset
            )
            and self.peg_price is None
        )
