"""Payments are found by what their provider calls them: for each of its events, and of a pass's refunds."""

from alembic import op

revision = "0007_payments_by_provider"
down_revision = "0006_forgotten"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_payments_provider", "payments", ["provider", "provider_id"])


def downgrade() -> None:
    op.drop_index("ix_payments_provider", "payments")
