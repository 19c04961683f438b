"""When a carrier's number was told: carriers use their numbers again."""

from typing import Literal

import sqlalchemy as sa
from alembic import op

revision = "0011_parcels"
down_revision = "0010_addresses"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nobody wrote down when. Those that are there count as told now, so that no scan of theirs is lost,
    # however long ago they were ordered; so does what the version before tells during the upgrade.
    now = sa.Column("told_at", sa.DateTime(timezone=True), server_default=sa.func.current_timestamp())
    # SQLite adds no column whose default is not constant: there the table is made anew.
    anew: Literal["always", "never"] = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("parcels", recreate=anew) as parcels:
        parcels.add_column(now)


def downgrade() -> None:
    op.drop_column("parcels", "told_at")
