"""Links that askers make to share a reading."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shares",
        sa.Column("token", sa.String(length=43), nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("with_question", sa.Boolean(create_constraint=True, name="with_question"), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_shares")),
        sa.UniqueConstraint("task_id", name=op.f("uq_shares_task_id")),
    )


def downgrade() -> None:
    op.drop_table("shares")
