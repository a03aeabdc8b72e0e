"""What identity adds to accounts."""

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet: its number keeps the history linear while several parts are built side by side."""
