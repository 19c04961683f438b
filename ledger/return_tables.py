"""The tables of returns: what was asked, the cases, what is to be sent in exchange, the papers. Papers carry
addresses, and what was asked carries the customer's own words."""

from sqlalchemy import BigInteger, Column, LargeBinary, String, Table, Text

from ledger.tables import Document, Moment, metadata

returns = Table(
    "returns",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("return_id", String(64), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("stage", String(20), nullable=False, index=True),
    Column("request_id", String(200)),
    Column("case", Document, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("closed_at", Moment),
)

asked = Table(
    "asked",
    metadata,
    Column("order_id", String(64), primary_key=True),
    Column("request_id", String(200), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("words", Text),
    Column("amount", BigInteger),
    Column("return_id", String(64)),
    Column("asked_at", Moment, nullable=False),
)

dispatches = Table(
    "dispatches",
    metadata,
    Column("business_key", String(300), primary_key=True),
    Column("order_id", String(64), nullable=False, index=True),
    Column("return_id", String(64), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("lines", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
)

papers = Table(
    "papers",
    metadata,
    Column("business_key", String(300), primary_key=True),
    Column("order_id", String(64), nullable=False, index=True),
    Column("kind", String(20), nullable=False),
    Column("provider", String(40), nullable=False),
    Column("provider_id", String(200)),
    Column("tracking_number", String(100), index=True),
    Column("carrier", String(100)),
    Column("media_type", String(60)),
    Column("content", LargeBinary),
    Column("code", LargeBinary),
    Column("created_at", Moment, nullable=False),
)
