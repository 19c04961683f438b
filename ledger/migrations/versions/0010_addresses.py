"""An order's address knows when it was told: a webhook that comes late does not write over a newer one."""

import sqlalchemy as sa
from alembic import op

revision = "0010_addresses"
down_revision = "0009_words"
branch_labels = None
depends_on = None

_TIMES = ("told_at", "recipient_at", "address_at")


def upgrade() -> None:
    for name in _TIMES:
        op.add_column("orders", sa.Column(name, sa.DateTime(timezone=True)))
    # What is there was told with the last word on its customer at the latest.
    last = "(SELECT told_at FROM customer_details d WHERE d.customer_id = orders.customer_id)"
    op.execute(f"UPDATE orders SET told_at = COALESCE({last}, placed_at)")  # noqa: S608
    op.execute("UPDATE orders SET address_at = told_at WHERE CAST(address AS TEXT) <> '[]'")
    op.execute("UPDATE orders SET recipient_at = told_at WHERE recipient IS NOT NULL")


def downgrade() -> None:
    for name in _TIMES:
        op.drop_column("orders", name)
