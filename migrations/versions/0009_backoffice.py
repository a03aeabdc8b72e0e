"""The back office's tables."""

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet: its number keeps the history linear while several parts are built side by side."""
