"""The tables of the doors: what came in, who may come in, and what providers told."""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
)

from ledger.tables import Document, Moment, metadata

inbox = Table(
    "inbox",
    metadata,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("source", String(40), nullable=False),
    Column("event_id", String(255), nullable=False),
    Column("body_hash", String(64), nullable=False),
    Column("topic", String(80), nullable=False),
    Column("state", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("order_id", String(64), index=True),
    Column("tracking_number", String(100)),
    Column("deeds", Document, nullable=False),
    Column("raw", Text),
    Column("received_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("leased_until", Moment),
    Column("attempts", Integer, nullable=False),
    Column("ended_at", Moment),
    UniqueConstraint("source", "event_id", name="uq_inbox_event"),
    UniqueConstraint("source", "body_hash", name="uq_inbox_body"),
    Index("ix_inbox_due", "state", "due_at"),
)

parcels = Table(
    "parcels",
    metadata,
    Column("tracking_number", String(100), primary_key=True),
    Column("order_id", String(64), primary_key=True),
    Column("parcel_id", String(64), nullable=False),
    Column("told_at", Moment, server_default=func.current_timestamp()),
)

customer_details = Table(
    "customer_details",
    metadata,
    Column("customer_id", String(64), primary_key=True),
    Column("told_at", Moment),
    Column("birthday", Date),
    Column("birthday_at", Moment),
    Column("forgotten_at", Moment),
)

provider_events = Table(
    "provider_events",
    metadata,
    Column("provider", String(40), primary_key=True),
    Column("event_id", String(255), primary_key=True),
    Column("reference", String(200), nullable=False, index=True),
    Column("event", String(80), nullable=False),
    Column("at", Moment, nullable=False),
    Column("reason", String(200), nullable=False),
    Column("details", Document, nullable=False),
    Column("handled_at", Moment),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String(16), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("label", String(80), nullable=False),
    Column("scopes", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)

erasures = Table(
    "erasures",
    metadata,
    Column("customer_id", String(64), primary_key=True),
    Column("requested_at", Moment, nullable=False),
    Column("done_at", Moment),
    Column("receipt", Document, nullable=False),
    Column("addresses", Document, nullable=False, server_default="[]"),
    Column("mailer", Text, nullable=False, server_default=""),
    Column("scrubbed_at", Moment),
    Column("closings", Document, nullable=False, server_default="[]"),
)
