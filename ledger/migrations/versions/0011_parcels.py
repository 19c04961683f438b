"""When a carrier's number was told: carriers use their numbers again."""

import sqlalchemy as sa
from alembic import op

revision = "0011_parcels"
down_revision = "0010_addresses"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("parcels", sa.Column("told_at", sa.DateTime(timezone=True)))
    # Its order was placed before it; without one, it is as good as told now.
    placed = "(SELECT placed_at FROM orders o WHERE o.order_id = parcels.order_id)"
    op.execute(f"UPDATE parcels SET told_at = {placed}")  # noqa: S608
    op.execute("UPDATE parcels SET told_at = CURRENT_TIMESTAMP WHERE told_at IS NULL")


def downgrade() -> None:
    op.drop_column("parcels", "told_at")
