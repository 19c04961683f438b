"""Consent, suppression, what providers tell of a send, and the pace of each provider."""

import sqlalchemy as sa
from alembic import op

revision = "0002_sends"
down_revision = "0001"
branch_labels = None
depends_on = None

_moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    _extend_sends()
    _create_choices()
    _create_providers()


def _extend_sends() -> None:
    for name in ("not_before", "counted_at", "told_at"):
        op.add_column("sends", sa.Column(name, _moment))
    op.add_column("sends", sa.Column("address_key", sa.String(64)))
    op.create_index("ix_sends_counted", "sends", ["customer_id", "counted_at"])
    op.execute("UPDATE sends SET state = 'unknown' WHERE state = 'unclear'")
    op.execute("UPDATE sends SET counted_at = claimed_at WHERE state <> 'refused'")


def _create_choices() -> None:
    op.create_table(
        "consents",
        sa.Column("customer_id", sa.String(64), primary_key=True),
        sa.Column("message_class", sa.String(20), primary_key=True),
        sa.Column("channel", sa.String(20), primary_key=True),
        sa.Column("at", _moment, primary_key=True),
        sa.Column("granted", sa.Boolean(), primary_key=True),
        sa.Column("source", sa.String(64), nullable=False),
    )
    op.create_table(
        "suppressions",
        sa.Column("customer_id", sa.String(64), primary_key=True),
        sa.Column("message_class", sa.String(20), primary_key=True),
        sa.Column("reason", sa.String(20), primary_key=True),
        sa.Column("address_key", sa.String(64), primary_key=True),
        sa.Column("at", _moment, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
    )
    op.create_index("ix_suppressions_address_key", "suppressions", ["address_key"])


def _create_providers() -> None:
    op.create_table(
        "send_events",
        sa.Column("provider", sa.String(40), primary_key=True),
        sa.Column("event_id", sa.String(200), primary_key=True),
        sa.Column("reference", sa.String(32), nullable=False, index=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("permanent", sa.Boolean(), nullable=False),
        sa.Column("at", _moment, nullable=False),
        sa.Column("recorded_at", _moment, nullable=False),
    )
    op.create_table(
        "mailer_rates",
        sa.Column("provider", sa.String(40), primary_key=True),
        sa.Column("used_until", _moment, nullable=False),
        sa.Column("urgent_until", _moment, nullable=False),
        sa.Column("queued_until", _moment, nullable=False),
    )


def downgrade() -> None:
    for table in ("mailer_rates", "send_events", "suppressions", "consents"):
        op.drop_table(table)
    op.execute("UPDATE sends SET state = 'unclear' WHERE state = 'unknown'")
    op.drop_index("ix_sends_counted", "sends")
    for name in ("address_key", "told_at", "counted_at", "not_before"):
        op.drop_column("sends", name)
