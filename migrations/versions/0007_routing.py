"""routing"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    numbers = ("good", "weight", "ratings", "chats", "prompt", "completion", "ms")
    op.create_table(
        "bandit",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=False) for name in numbers),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("age", sa.Double(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("last_user", sa.String(36), nullable=False),
        sa.Column("recent", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("kind", "model", name=op.f("pk_bandit")),
    )
    op.create_table(
        "bandit_shares",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("good", sa.Double(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("age", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "model", "user_id", name=op.f("pk_bandit_shares")),
    )
    op.create_index(op.f("ix_bandit_shares_updated_at"), "bandit_shares", ["updated_at"])


def downgrade() -> None:
    op.drop_table("bandit_shares")
    op.drop_table("bandit")
