"""cache"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cache",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("conversation", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("scope", sa.String(length=64), nullable=True),
        sa.Column("question", sa.Text(), nullable=True),
        sa.Column("embedder", sa.Text(), nullable=True),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("user_id", "digest", name=op.f("pk_cache")),
    )
    op.create_index(op.f("ix_cache_user_id_scope"), "cache", ["user_id", "scope"], unique=False)
    op.create_index(op.f("ix_cache_conversation"), "cache", ["conversation"], unique=False)
    op.create_index(op.f("ix_cache_expires_at"), "cache", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_table("cache")
