"""Money and returns: payments, refunds, return cases, dispatches, papers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "returns_1"
down_revision = "0002_sends"
branch_labels = None
depends_on = None

_moment = sa.DateTime(timezone=True)
_document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    _create_payments()
    _create_refunds()
    _create_refunds_elsewhere()
    _create_returns()


def _create_payments() -> None:
    op.create_table(
        "payments",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("provider_id", sa.String(200), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("captured", sa.BigInteger(), nullable=False),
        sa.Column("created_at", _moment, nullable=False),
    )


def _create_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("business_key", sa.String(300), primary_key=True),
        sa.Column("reference", sa.String(32), nullable=False, unique=True),
        sa.Column("order_id", sa.String(64), nullable=False, index=True),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("why", sa.String(64), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("requested", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.String(200)),
        sa.Column("cures", sa.String(300), unique=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", _moment, nullable=False),
        sa.Column("claimed_at", _moment),
        sa.Column("leased_until", _moment),
        sa.Column("ended_at", _moment),
        sa.Index("ix_refunds_state", "state", "created_at"),
    )


def _create_refunds_elsewhere() -> None:
    op.create_table(
        "refunds_elsewhere",
        sa.Column("provider_id", sa.String(200), primary_key=True),
        sa.Column("order_id", sa.String(64), nullable=False, index=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("seen_at", _moment, nullable=False),
    )
    op.create_table(
        "demo_refunds",
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("payment_id", sa.String(200), nullable=False, index=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("at", _moment, nullable=False),
    )


def _create_returns() -> None:
    op.create_table(
        "returns",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("return_id", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("stage", sa.String(20), nullable=False, index=True),
        sa.Column("request_id", sa.String(200)),
        sa.Column("case", _document, nullable=False),
        sa.Column("opened_at", _moment, nullable=False),
        sa.Column("closed_at", _moment),
    )
    op.create_table(
        "dispatches",
        sa.Column("business_key", sa.String(300), primary_key=True),
        sa.Column("order_id", sa.String(64), nullable=False, index=True),
        sa.Column("return_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("lines", _document, nullable=False),
        sa.Column("created_at", _moment, nullable=False),
    )
    op.create_table(
        "papers",
        sa.Column("business_key", sa.String(300), primary_key=True),
        sa.Column("order_id", sa.String(64), nullable=False, index=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("provider_id", sa.String(200)),
        sa.Column("tracking_number", sa.String(100)),
        sa.Column("carrier", sa.String(100)),
        sa.Column("media_type", sa.String(60)),
        sa.Column("content", sa.LargeBinary()),
        sa.Column("code", sa.LargeBinary()),
        sa.Column("created_at", _moment, nullable=False),
    )
