"""Each field of a customer knows when it was told: an older word fills what is missing."""

import sqlalchemy as sa
from alembic import op

revision = "0009_words"
down_revision = "0008_erasures_closed"
branch_labels = None
depends_on = None

_moment = sa.DateTime(timezone=True)
_FIELDS = ("email", "name", "phone", "locale", "zone", "country")
_NOBODY_S = {"locale": "en", "zone": "UTC"}
"""Defaults: who never told another one may never have told this one."""

_customers = sa.table(
    "customers", sa.column("customer_id"), *(sa.column(n) for f in _FIELDS for n in (f, f"{f}_at"))
)
_details = sa.table("customer_details", sa.column("customer_id"), sa.column("told_at"))
_LAST_WORD = (
    sa.select(_details.c.told_at).where(_details.c.customer_id == _customers.c.customer_id).scalar_subquery()
)


def upgrade() -> None:
    for name in _FIELDS:
        op.add_column("customers", sa.Column(f"{name}_at", _moment))
    op.add_column("customer_details", sa.Column("birthday_at", _moment))
    # What is there was true at the last word at the latest.
    for name in _FIELDS:
        known = (
            _customers.c[name] != _NOBODY_S[name] if name in _NOBODY_S else _customers.c[name].is_not(None)
        )
        op.execute(sa.update(_customers).where(known).values({f"{name}_at": _LAST_WORD}))
    op.execute("UPDATE customer_details SET birthday_at = told_at WHERE birthday IS NOT NULL")


def downgrade() -> None:
    op.drop_column("customer_details", "birthday_at")
    for name in _FIELDS:
        op.drop_column("customers", f"{name}_at")
