"""What was asked of the returns desk: the words of a request, and the money that it would take."""

import sqlalchemy as sa
from alembic import op

revision = "0005_asked"
down_revision = "reconciliation_1"
branch_labels = None
depends_on = None

_moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "asked",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("request_id", sa.String(200), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("words", sa.Text()),
        sa.Column("amount", sa.BigInteger()),
        sa.Column("return_id", sa.String(64)),
        sa.Column("asked_at", _moment, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("asked")
