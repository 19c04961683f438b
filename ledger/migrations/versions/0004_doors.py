"""The doors: inbox, parcels, customers' details, providers' events, keys, erasures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004_doors"
down_revision = "returns_1"
branch_labels = None
depends_on = None

_moment = sa.DateTime(timezone=True)
_document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    _create_inbox()
    _create_customers()
    _create_providers()
    _create_keys()


def _create_inbox() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "inbox",
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("topic", sa.String(80), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("order_id", sa.String(64), index=True),
        sa.Column("tracking_number", sa.String(100)),
        sa.Column("deeds", _document, nullable=False),
        sa.Column("raw", sa.Text()),
        sa.Column("received_at", _moment, nullable=False),
        sa.Column("due_at", _moment, nullable=False),
        sa.Column("leased_until", _moment),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("ended_at", _moment),
        sa.UniqueConstraint("source", "event_id", name="uq_inbox_event"),
        sa.UniqueConstraint("source", "body_hash", name="uq_inbox_body"),
    )
    op.create_index("ix_inbox_due", "inbox", ["state", "due_at"])
    op.create_table(
        "parcels",
        sa.Column("tracking_number", sa.String(100), primary_key=True),
        sa.Column("order_id", sa.String(64), primary_key=True),
        sa.Column("parcel_id", sa.String(64), nullable=False),
    )


def _create_customers() -> None:
    op.create_table(
        "customer_details",
        sa.Column("customer_id", sa.String(64), primary_key=True),
        sa.Column("told_at", _moment),
        sa.Column("birthday", sa.Date()),
        sa.Column("forgotten_at", _moment),
    )
    op.create_table(
        "erasures",
        sa.Column("customer_id", sa.String(64), primary_key=True),
        sa.Column("requested_at", _moment, nullable=False),
        sa.Column("done_at", _moment),
        sa.Column("receipt", _document, nullable=False),
    )


def _create_providers() -> None:
    op.create_table(
        "provider_events",
        sa.Column("provider", sa.String(40), primary_key=True),
        sa.Column("event_id", sa.String(255), primary_key=True),
        sa.Column("reference", sa.String(200), nullable=False, index=True),
        sa.Column("event", sa.String(80), nullable=False),
        sa.Column("at", _moment, nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("details", _document, nullable=False),
        sa.Column("handled_at", _moment),
    )


def _create_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(16), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("label", sa.String(80), nullable=False),
        sa.Column("scopes", _document, nullable=False),
        sa.Column("created_at", _moment, nullable=False),
        sa.Column("revoked_at", _moment),
    )


def downgrade() -> None:
    for table in (
        *("api_keys", "provider_events", "erasures", "customer_details"),
        *("parcels", "inbox"),
    ):
        op.drop_table(table)
