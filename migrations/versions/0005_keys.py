"""API keys of three kinds, and the addresses each may be used from.

New columns have defaults that fit every key there is, so an auth process of the version before can still write.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE auth.api_keys
    ADD COLUMN kind text NOT NULL DEFAULT 'HMAC',
    ADD COLUMN public_key text,
    ADD COLUMN ip_allow_list cidr[] NOT NULL DEFAULT '{}',
    ALTER COLUMN secret_sealed DROP NOT NULL,
    ADD CONSTRAINT api_keys_kind_known CHECK (kind IN ('HMAC', 'ED25519', 'RSA')),
    ADD CONSTRAINT api_keys_secret_or_public_key
        CHECK (CASE kind
            WHEN 'HMAC' THEN secret_sealed IS NOT NULL AND public_key IS NULL
            ELSE secret_sealed IS NULL AND public_key IS NOT NULL
        END),
    ADD CONSTRAINT api_keys_public_key_bounded CHECK (char_length(public_key) <= 2048),
    ADD CONSTRAINT api_keys_ip_allow_list_bounded CHECK (cardinality(ip_allow_list) <= 30)
"""


def upgrade() -> None:
    op.execute(TABLES)
