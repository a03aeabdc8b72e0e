"""What an engine process must be told, and its limits."""

from pathlib import Path

from pydantic import Field

from services.infra.settings import ServiceSettings

PACKAGED_MARKETS_FILE = Path(__file__).with_name("markets.toml")


class EngineSettings(ServiceSettings):
    """Timeouts are chosen so that lease_ttl_ms > settle_timeout_ms > heartbeat_ms."""

    markets_file: Path = PACKAGED_MARKETS_FILE
    # A command waits here while an earlier batch commits; past this many, new ones are refused as overload.
    inbox_limit: int = Field(default=4096, ge=1)
    # More commands in one batch stop paying off in PostgreSQL and delay the first reply.
    batch_limit: int = Field(default=256, ge=1, le=4096)
    settle_timeout_ms: int = Field(default=2_000, ge=100)
    lease_ttl_ms: int = Field(default=3_000, ge=500)
    heartbeat_ms: int = Field(default=1_000, ge=50)
    takeover_poll_ms: int = Field(default=50, ge=10)
    # A snapshot to Redis when this much was journaled since the last one; to PostgreSQL every n-th time. One of a large
    # state is followed by a longer pause (``snapshots.Rhythm``).
    snapshot_interval_s: float = Field(default=10, gt=0)
    snapshot_minimum_batches: int = Field(default=200, ge=1)
    database_snapshot_every: int = Field(default=30, ge=1)
    # Entries kept in the Redis stream; older ones are read from the journal.
    stream_length: int = Field(default=2_000, ge=100)
