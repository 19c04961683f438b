"""Forgetting: what is still to be told to whom, keyed hashes of addresses, and no statistics of persons."""

import secrets

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from ledger.address_keys import keyed

revision = "0006_forgotten"
down_revision = "0005_asked"
branch_labels = None
depends_on = None

_moment = sa.DateTime(timezone=True)

_PERSONAL = {
    "customers": ("email", "name", "phone"),
    "customer_details": ("birthday",),
    "orders": ("recipient", "address"),
    "letters": ("recipient", "recipient_name", "subject", "html", "text", "headers"),
    "late_facts": ("body",),
    "inbox": ("raw", "deeds"),
    "papers": ("content", "code"),
    "asked": ("words",),
    "erasures": ("addresses",),
}


def upgrade() -> None:
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column("erasures", sa.Column("addresses", document, nullable=False, server_default="[]"))
    op.add_column("erasures", sa.Column("mailer", sa.Text(), nullable=False, server_default=""))
    op.add_column("erasures", sa.Column("scrubbed_at", _moment))
    _create_secret()
    if op.get_bind().dialect.name == "postgresql":
        _keep_no_statistics()


def _create_secret() -> None:
    table = op.create_table(
        "ledger_secrets",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.String(100), nullable=False),
    )
    secret = secrets.token_urlsafe(32)
    op.bulk_insert(table, [{"name": "address_key", "value": secret}])
    # SQL cannot hash so: who writes these statements to a file has no plain hashes yet, or drops them.
    if not op.get_context().as_sql:
        for name in ("suppressions", "sends"):
            _rehash(name, secret.encode())


def _rehash(name: str, secret: bytes) -> None:
    """Plain hashes of addresses become keyed ones."""
    column = sa.column("address_key", sa.String)
    table = sa.table(name, column)
    connection = op.get_bind()
    known = connection.execute(sa.select(column).where(sa.func.length(column) == 64).distinct())
    for (plain,) in known.all():
        statement = sa.update(table).where(column == plain).values(address_key=keyed(secret, plain))
        connection.execute(statement)


def _keep_no_statistics() -> None:
    """The planner's samples of a column would hold what its rows hold no more."""
    for table, columns in _PERSONAL.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")


def downgrade() -> None:
    op.drop_table("ledger_secrets")
    for name in ("addresses", "mailer", "scrubbed_at"):
        op.drop_column("erasures", name)
