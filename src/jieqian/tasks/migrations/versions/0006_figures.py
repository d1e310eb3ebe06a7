"""Figures of ended tasks by minute and longer. Tasks there are already are counted while the service runs."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_UNCOUNTED = sa.text("status in ('completed', 'failed', 'stopped') and figure_cell is null")
_ENDED = sa.text("ended_at is not null")


def upgrade() -> None:
    op.create_table(
        "figure_cells",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("strategy", sa.String(length=16), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("collection", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_figure_cells")),
        sa.UniqueConstraint(
            *("mode", "model", "strategy", "language", "collection"),
            name=op.f("uq_figure_cells_mode_model_strategy_language_collection"),
        ),
    )
    op.create_table(
        "figures",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cell", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("numbers", sa.LargeBinary(), nullable=False),
        sa.Column("sketches", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "cell", "at", name=op.f("pk_figures")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stale_figures",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stamp", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("level", "at", name=op.f("pk_stale_figures")),
        sqlite_with_rowid=False,
    )
    op.add_column("tasks", sa.Column("figure_cell", sa.Integer(), nullable=True))
    op.create_index("ix_tasks_uncounted", "tasks", ["seq"], sqlite_where=_UNCOUNTED, postgresql_where=_UNCOUNTED)
    op.create_index(
        "ix_tasks_ended",
        "tasks",
        ["ended_at", "total_time_ms", "figure_cell", "seq"],
        sqlite_where=_ENDED,
        postgresql_where=_ENDED,
    )


def downgrade() -> None:
    op.drop_index("ix_tasks_ended", "tasks", sqlite_where=_ENDED)
    op.drop_index("ix_tasks_uncounted", "tasks", sqlite_where=_UNCOUNTED)
    op.drop_column("tasks", "figure_cell")
    op.drop_table("stale_figures")
    op.drop_table("figures")
    op.drop_table("figure_cells")
