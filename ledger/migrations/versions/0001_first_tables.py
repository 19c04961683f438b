"""The first tables: customers, orders, sends, letters, journeys, late facts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_moment = sa.DateTime(timezone=True)
_document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    _create_people()
    _create_sends()
    _create_letters()
    _create_journeys()


def _create_people() -> None:
    op.create_table(
        "customers",
        sa.Column("customer_id", sa.String(64), primary_key=True),
        sa.Column("email", sa.Text()),
        sa.Column("name", sa.Text()),
        sa.Column("phone", sa.Text()),
        sa.Column("locale", sa.String(40), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("country", sa.String(2)),
    )
    op.create_table(
        "orders",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("customer_id", sa.String(64), nullable=False, index=True),
        sa.Column("placed_at", _moment, nullable=False),
        sa.Column("recipient", sa.Text()),
        sa.Column("address", _document, nullable=False),
    )


def _create_sends() -> None:
    op.create_table(
        "sends",
        sa.Column("business_key", sa.String(400), primary_key=True),
        sa.Column("reference", sa.String(32), nullable=False, unique=True),
        sa.Column("order_id", sa.String(64), nullable=False, index=True),
        sa.Column("customer_id", sa.String(64), nullable=False, index=True),
        sa.Column("key", sa.String(300), nullable=False),
        sa.Column("step", sa.String(64), nullable=False),
        sa.Column("letter", sa.String(64), nullable=False),
        sa.Column("message_class", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("provider", sa.String(40)),
        sa.Column("provider_id", sa.String(200)),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("resent", sa.Integer(), nullable=False),
        sa.Column("created_at", _moment, nullable=False),
        sa.Column("claimed_at", _moment),
        sa.Column("leased_until", _moment),
        sa.Column("ended_at", _moment),
        sa.Column("retried_at", _moment),
    )
    op.create_index("ix_sends_state", "sends", ["state", "created_at"])


def _create_letters() -> None:
    op.create_table(
        "letters",
        sa.Column("reference", sa.String(32), primary_key=True),
        sa.Column("at", _moment, nullable=False, index=True),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("recipient_name", sa.Text()),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("headers", _document, nullable=False),
        sa.Column("message_class", sa.String(20), nullable=False),
    )


def _create_journeys() -> None:
    op.create_table(
        "journeys",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("ending", sa.String(64), nullable=False),
        sa.Column("closed_at", _moment, nullable=False, index=True),
        sa.Column("state", _document, nullable=False),
    )
    op.create_table(
        "late_facts",
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("fact_id", sa.String(200), primary_key=True),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("body", _document, nullable=False),
        sa.Column("recorded_at", _moment, nullable=False),
    )


def downgrade() -> None:
    for table in ("late_facts", "journeys", "letters", "sends", "orders", "customers"):
        op.drop_table(table)
