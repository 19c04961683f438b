"""Reconciliation: the passes, and how it stands with those who are asked."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "reconciliation_1"
down_revision = "0004_doors"
branch_labels = None
depends_on = None

_moment = sa.DateTime(timezone=True)
_document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "passes",
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("token", sa.String(300), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("began_at", _moment, nullable=False),
        sa.Column("ended_at", _moment),
        sa.Column("since", _moment),
        sa.Column("watermark", _moment, nullable=False),
        sa.Column("cursor", sa.Text()),
        sa.Column("expected", sa.Integer()),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("filled", sa.Integer(), nullable=False),
        sa.Column("unread", sa.Integer(), nullable=False),
        sa.Column("overdue", sa.Integer(), nullable=False),
        sa.Column("overdue_since", _moment),
        sa.Column("warnings", _document, nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.UniqueConstraint("token", "name", name="uq_passes_token"),
    )
    op.create_table(
        "standings",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("watermark", _moment),
        sa.Column("standing", _document, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("standings")
    op.drop_table("passes")
