"""Erasures that a person closed, since the mail provider never accepted them: who, when and why."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008_erasures_closed"
down_revision = "0007_payments_by_provider"
branch_labels = None
depends_on = None


def upgrade() -> None:
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column("erasures", sa.Column("closings", document, nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("erasures", "closings")
