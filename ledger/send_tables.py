"""The tables around the sends: what customers chose, who is not written to, what providers told."""

from sqlalchemy import Boolean, Column, Index, String, Table

from ledger.tables import Moment, metadata

consents = Table(
    "consents",
    metadata,
    Column("customer_id", String(64), primary_key=True),
    Column("message_class", String(20), primary_key=True),
    Column("channel", String(20), primary_key=True),
    Column("at", Moment, primary_key=True),
    Column("granted", Boolean, primary_key=True),
    Column("source", String(64), nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("customer_id", String(64), primary_key=True),
    Column("message_class", String(20), primary_key=True),
    Column("reason", String(20), primary_key=True),
    Column("address_key", String(64), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("source", String(64), nullable=False),
    Index("ix_suppressions_address_key", "address_key"),
)

ledger_secrets = Table(
    "ledger_secrets",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(100), nullable=False),
)

send_events = Table(
    "send_events",
    metadata,
    Column("provider", String(40), primary_key=True),
    Column("event_id", String(200), primary_key=True),
    Column("reference", String(32), nullable=False, index=True),
    Column("kind", String(20), nullable=False),
    Column("permanent", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
    Column("recorded_at", Moment, nullable=False),
)

mailer_rates = Table(
    "mailer_rates",
    metadata,
    Column("provider", String(40), primary_key=True),
    Column("used_until", Moment, nullable=False),
    Column("urgent_until", Moment, nullable=False),
    Column("queued_until", Moment, nullable=False),
)
