"""Where FAQ entries came from, how often they were used, and questions that no entry was found for."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("faq_entries", sa.Column("made_by", sa.String(length=12), server_default="reading", nullable=False))
    op.add_column("faq_entries", sa.Column("translated_from", sa.String(length=36), nullable=True))
    op.create_index("uq_faq_entries_translation", "faq_entries", ["translated_from", "language"], unique=True)
    op.create_table(
        "faq_hits",
        sa.Column("entry_id", sa.String(length=36), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "day", name=op.f("pk_faq_hits")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "faq_unanswered",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.Column("lot", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(length=16), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("passages", sa.Boolean(create_constraint=True, name="passages"), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_faq_unanswered")),
        sa.UniqueConstraint("task_id", name=op.f("uq_faq_unanswered_task_id")),
    )
    op.create_index("ix_faq_unanswered_created_at", "faq_unanswered", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_table("faq_unanswered")
    op.drop_table("faq_hits")
    op.drop_index("uq_faq_entries_translation", "faq_entries")
    op.drop_column("faq_entries", "translated_from")
    op.drop_column("faq_entries", "made_by")
