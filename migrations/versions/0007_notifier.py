"""The notifier's tables."""

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet: its number keeps the history linear while several parts are built side by side."""
