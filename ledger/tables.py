"""The tables. What changes here needs a migration beside it in `ledger/migrations/versions/`."""

from datetime import UTC, datetime

from sqlalchemy import JSON, Column, DateTime, Dialect, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

metadata = MetaData()


class Moment(TypeDecorator[datetime]):
    """An aware moment in UTC on every database. SQLite keeps no zone, so it is given back here."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment should carry its zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Document = JSON().with_variant(JSONB(), "postgresql")

customers = Table(
    "customers",
    metadata,
    Column("customer_id", String(64), primary_key=True),
    Column("email", Text),
    Column("name", Text),
    Column("phone", Text),
    Column("locale", String(40), nullable=False),
    Column("zone", String(64), nullable=False),
    Column("country", String(2)),
    *(Column(f"{name}_at", Moment) for name in ("email", "name", "phone", "locale", "zone", "country")),
)

orders = Table(
    "orders",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("customer_id", String(64), nullable=False, index=True),
    Column("placed_at", Moment, nullable=False),
    Column("recipient", Text),
    Column("address", Document, nullable=False),
    *(Column(name, Moment) for name in ("told_at", "recipient_at", "address_at")),
)

sends = Table(
    "sends",
    metadata,
    Column("business_key", String(400), primary_key=True),
    Column("reference", String(32), nullable=False, unique=True),
    Column("order_id", String(64), nullable=False, index=True),
    Column("customer_id", String(64), nullable=False, index=True),
    Column("key", String(300), nullable=False),
    Column("step", String(64), nullable=False),
    Column("letter", String(64), nullable=False),
    Column("message_class", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("provider", String(40)),
    Column("provider_id", String(200)),
    Column("attempts", Integer, nullable=False),
    Column("resent", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("claimed_at", Moment),
    Column("leased_until", Moment),
    Column("ended_at", Moment),
    Column("retried_at", Moment),
    Column("not_before", Moment),
    Column("counted_at", Moment),
    Column("told_at", Moment),
    Column("address_key", String(64)),
    Index("ix_sends_state", "state", "created_at"),
    Index("ix_sends_counted", "customer_id", "counted_at"),
)

letters = Table(
    "letters",
    metadata,
    Column("reference", String(32), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("recipient", Text, nullable=False),
    Column("recipient_name", Text),
    Column("sender", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("headers", Document, nullable=False),
    Column("message_class", String(20), nullable=False),
)

journeys = Table(
    "journeys",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("ending", String(64), nullable=False),
    Column("closed_at", Moment, nullable=False, index=True),
    Column("state", Document, nullable=False),
)

late_facts = Table(
    "late_facts",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("fact_id", String(200), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("body", Document, nullable=False),
    Column("recorded_at", Moment, nullable=False),
)
