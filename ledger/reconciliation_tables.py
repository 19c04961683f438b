"""The tables of reconciliation: the passes, and how it stands with those who are asked."""

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text, UniqueConstraint

from ledger.tables import Document, Moment, metadata

passes = Table(
    "passes",
    metadata,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("token", String(300), nullable=False),
    Column("name", String(80), nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("since", Moment),
    Column("watermark", Moment, nullable=False),
    Column("cursor", Text),
    Column("expected", Integer),
    Column("seen", Integer, nullable=False),
    Column("filled", Integer, nullable=False),
    Column("unread", Integer, nullable=False),
    Column("overdue", Integer, nullable=False),
    Column("overdue_since", Moment),
    Column("warnings", Document, nullable=False),
    Column("problem", Text, nullable=False),
    UniqueConstraint("token", "name", name="uq_passes_token"),
)

standings = Table(
    "standings",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("watermark", Moment),
    Column("standing", Document, nullable=False),
)
