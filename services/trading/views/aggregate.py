"""The view that numbers one market's aggregate trades as they are numbered in the database (docs/adr/0008)."""

from typing import Final, NamedTuple

from services.domain.aggregates import Aggregates
from services.domain.events import OrderFilled
from services.infra.postgres import Connection
from services.trading.views.trade_view import TradeView

_LAST_SQL: Final = """
SELECT aggregate_id FROM exchange.trades WHERE symbol = $1 ORDER BY time_us DESC, trade_id DESC LIMIT 1
"""


class AggregateTrade(NamedTuple):
    aggregate_id: int
    price_e8: int
    quantity_e8: int
    first_trade_id: int
    last_trade_id: int
    time_us: int
    buyer_is_maker: bool


class AggregateView(TradeView):
    """Collects aggregates until they are taken."""

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol)
        self._aggregates = Aggregates()
        self._collected: list[AggregateTrade] = []

    async def read(self, connection: Connection, now_us: int) -> None:  # noqa: ARG002
        self._aggregates.begin(self.symbol, await connection.fetchval(_LAST_SQL, self.symbol) or 0)

    def add(self, trade: OrderFilled) -> None:
        number = self._aggregates.number(trade)
        if self._collected and self._collected[-1].aggregate_id == number:
            last = self._collected[-1]
            self._collected[-1] = last._replace(
                quantity_e8=last.quantity_e8 + trade.quantity_e8, last_trade_id=trade.trade_id
            )
            return
        self._collected.append(
            AggregateTrade(
                number,
                trade.price_e8,
                trade.quantity_e8,
                trade.trade_id,
                trade.trade_id,
                trade.taker.updated_us,
                trade.buyer_is_maker,
            )
        )

    def take(self) -> list[AggregateTrade]:
        """Those since this was last called. Ask between journal entries: no aggregate reaches into the next one."""
        collected, self._collected = self._collected, []
        return collected
