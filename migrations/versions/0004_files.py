"""files"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WITH_FILES = sa.text("attachments IS NOT NULL OR images IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "blobs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("refs", sa.Integer(), nullable=False),
        sa.Column("free_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blobs")),
    )
    op.create_index(
        "uq_blobs_owned",
        "blobs",
        ["sha256"],
        unique=True,
        postgresql_where=sa.text("refs > 0"),
        sqlite_where=sa.text("refs > 0"),
    )
    op.create_index(
        "ix_blobs_free",
        "blobs",
        ["free_at"],
        unique=False,
        postgresql_where=sa.text("refs = 0"),
        sqlite_where=sa.text("refs = 0"),
    )
    op.create_table(
        "files",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("blob_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.String(length=128), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name=op.f("fk_files_blob_id_blobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
    )
    op.create_index("ix_files_user_id_created_at_id", "files", ["user_id", "created_at", "id"], unique=False)
    op.create_index("ix_files_blob_id", "files", ["blob_id"], unique=False)
    op.create_index(
        "ix_messages_with_files",
        "messages",
        ["conversation_id"],
        unique=False,
        postgresql_where=WITH_FILES,
        sqlite_where=WITH_FILES,
    )


def downgrade() -> None:
    op.drop_index("ix_messages_with_files", table_name="messages")
    op.drop_table("files")
    op.drop_table("blobs")
