"""memories"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

OWED = sa.text("embedded = false AND role = 'assistant' AND state = 'complete'")


def upgrade() -> None:
    op.create_table(
        "memories",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("conversation_id", sa.String(36), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("embedder", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memories")),
    )
    op.create_index(op.f("ix_memories_user_id_id"), "memories", ["user_id", "id"])
    op.create_index(op.f("ix_memories_conversation_id"), "memories", ["conversation_id"])
    op.create_index("ix_messages_owed", "messages", ["prompt_id"], sqlite_where=OWED, postgresql_where=OWED)


def downgrade() -> None:
    op.drop_index("ix_messages_owed", table_name="messages")
    op.drop_index(op.f("ix_memories_conversation_id"), table_name="memories")
    op.drop_index(op.f("ix_memories_user_id_id"), table_name="memories")
    op.drop_table("memories")
