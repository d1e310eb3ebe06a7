"""Experiments, and which tasks were in which variant of one."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("variants", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_experiments")),
    )
    op.create_index(
        "uq_experiments_running",
        "experiments",
        ["mode"],
        unique=True,
        sqlite_where=sa.text("ended_at is null"),
        postgresql_where=sa.text("ended_at is null"),
    )
    op.add_column("tasks", sa.Column("experiment", sa.String(length=40), nullable=True))
    op.add_column("tasks", sa.Column("variant", sa.String(length=40), nullable=True))
    op.create_index(
        "ix_tasks_experiment_seq",
        "tasks",
        ["experiment", "seq"],
        unique=False,
        sqlite_where=sa.text("experiment is not null"),
        postgresql_where=sa.text("experiment is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_tasks_experiment_seq", table_name="tasks")
    op.drop_column("tasks", "variant")
    op.drop_column("tasks", "experiment")
    op.drop_index("uq_experiments_running", table_name="experiments")
    op.drop_table("experiments")
