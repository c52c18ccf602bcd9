"""summaries"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversations", sa.Column("summary_until", sa.String(36), nullable=True))


def downgrade() -> None:
    op.drop_column("conversations", "summary_until")
