"""Labels are found by the carrier's number: a scan on the way back is of a return."""

from alembic import op

revision = "0012_labels"
down_revision = "0011_parcels"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_papers_tracking_number", "papers", ["tracking_number"])


def downgrade() -> None:
    op.drop_index("ix_papers_tracking_number", "papers")
