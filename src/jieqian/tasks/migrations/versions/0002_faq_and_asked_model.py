"""FAQ entries, and the model a task asks for."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "faq_entries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=True),
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.Column("lot", sa.Integer(), nullable=False),
        sa.Column("category", sa.String(length=16), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("reviewed_at", sa.Float(), nullable=True),
        sa.CheckConstraint("status in ('pending', 'approved', 'rejected')", name=op.f("ck_faq_entries_status")),
        sa.CheckConstraint("(status = 'pending') = (reviewed_at is null)", name=op.f("ck_faq_entries_reviewed")),
        sa.CheckConstraint("length(question) > 0 and length(answer) > 0", name=op.f("ck_faq_entries_not_empty")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_faq_entries")),
        sa.UniqueConstraint("task_id", name=op.f("uq_faq_entries_task_id")),
    )
    op.create_index("ix_faq_entries_status_created_at", "faq_entries", ["status", "created_at"], unique=False)
    op.add_column("tasks", sa.Column("model", sa.String(length=200), nullable=True))


def downgrade() -> None:
    op.drop_column("tasks", "model")
    op.drop_index("ix_faq_entries_status_created_at", "faq_entries")
    op.drop_table("faq_entries")
