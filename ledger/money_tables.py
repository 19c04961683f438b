"""The tables of money: what was captured, what was given back, by us and by others."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from ledger.tables import Moment, metadata

payments = Table(
    "payments",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("provider", String(40), nullable=False),
    Column("provider_id", String(200), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("captured", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_payments_provider", "provider", "provider_id"),
)

refunds = Table(
    "refunds",
    metadata,
    Column("business_key", String(300), primary_key=True),
    Column("reference", String(32), nullable=False, unique=True),
    Column("order_id", String(64), nullable=False, index=True),
    Column("key", String(200), nullable=False),
    Column("provider", String(40), nullable=False),
    Column("purpose", String(20), nullable=False),
    Column("why", String(64), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("requested", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("provider_id", String(200)),
    Column("cures", String(300), unique=True),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("claimed_at", Moment),
    Column("leased_until", Moment),
    Column("ended_at", Moment),
    Index("ix_refunds_state", "state", "created_at"),
)

refunds_elsewhere = Table(
    "refunds_elsewhere",
    metadata,
    Column("provider_id", String(200), primary_key=True),
    Column("order_id", String(64), nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),
    Column("seen_at", Moment, nullable=False),
)

demo_refunds = Table(
    "demo_refunds",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("payment_id", String(200), nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("at", Moment, nullable=False),
)
