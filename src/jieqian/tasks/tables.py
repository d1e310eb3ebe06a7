"""The tables. Impossible states are constraints; `migrations/` builds the same schema (a test compares the two)."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_UNCOUNTED = "status in ('completed', 'failed', 'stopped') and figure_cell is null"

tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("caller", sa.String(80), nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("collection", sa.String(64), nullable=False),
    sa.Column("lot", sa.Integer, nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("strategy", sa.String(16), nullable=False),
    sa.Column("model", sa.String(200)),
    sa.Column("fresh", sa.Boolean(create_constraint=True, name="fresh"), nullable=False),
    sa.Column("parent_id", sa.String(36)),
    sa.Column("draw_id", sa.String(36)),
    sa.Column("care", sa.JSON(none_as_null=True)),
    sa.Column("idempotency_key", sa.String(255)),
    sa.Column("body_hash", sa.String(64)),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("claimed_at", sa.Float),
    sa.Column("ended_at", sa.Float),
    sa.Column("touched_at", sa.Float),
    sa.Column("lease_token", sa.String(36)),
    sa.Column("lease_expires_at", sa.Float),
    sa.Column("deliveries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_event_id", sa.Integer, nullable=False, server_default="0"),
    sa.Column("total_time_ms", sa.Float),
    sa.Column("timings", sa.JSON, nullable=False),
    sa.Column("sources", sa.JSON, nullable=False),
    sa.Column("error", sa.JSON(none_as_null=True)),
    # In which of `figure_cells` it was counted; null: not yet.
    sa.Column("figure_cell", sa.Integer),
    sa.CheckConstraint("status in ('queued', 'running', 'completed', 'failed', 'stopped')", name="status"),
    sa.CheckConstraint(
        "(status = 'running') = (lease_token is not null and lease_expires_at is not null)", name="lease_while_running"
    ),
    sa.CheckConstraint("(status in ('completed', 'failed', 'stopped')) = (ended_at is not null)", name="ended"),
    sa.CheckConstraint("attempts between 0 and 3", name="attempts"),
    sa.CheckConstraint("(idempotency_key is null) = (body_hash is null)", name="idempotency"),
    sa.UniqueConstraint("caller", "idempotency_key"),
    sa.Index("ix_tasks_caller_seq", "caller", "seq"),
    sa.Index("ix_tasks_waiting", "status", "seq", sqlite_where=sa.text("status in ('queued', 'running')")),
    sa.Index("ix_tasks_mode_seq", "mode", "seq"),
    sa.Index("ix_tasks_uncounted", "seq", sqlite_where=sa.text(_UNCOUNTED), postgresql_where=sa.text(_UNCOUNTED)),
    sa.Index(
        "ix_tasks_ended",
        *("ended_at", "total_time_ms", "figure_cell", "seq"),
        sqlite_where=sa.text("ended_at is not null"),
        postgresql_where=sa.text("ended_at is not null"),
    ),
    sqlite_autoincrement=True,
)

#: Conditions on `tasks.status`. SQLite takes `ix_tasks_waiting` only where the index's own condition stands in the
#: statement, word for word and without bound values; else it reads every task there ever was.
_queued: sa.ColumnElement[str] = sa.literal_column("'queued'")
_running: sa.ColumnElement[str] = sa.literal_column("'running'")
UNENDED = tasks.c.status.in_([_queued, _running])
IS_QUEUED = sa.and_(UNENDED, tasks.c.status == _queued)
IS_RUNNING = sa.and_(UNENDED, tasks.c.status == _running)
#: Ended, and in no roll-up yet. Not by `ended_at`: SQLite would then look through `ix_tasks_ended`, where all are.
UNCOUNTED = sa.and_(
    tasks.c.status.in_([sa.literal_column(f"'{status}'", sa.String) for status in ("completed", "failed", "stopped")]),
    tasks.c.figure_cell.is_(None),
)

sections = sa.Table(
    "sections",
    metadata,
    sa.Column("task_id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(24), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("source", sa.String(12), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("ms", sa.Integer, nullable=False),
    sa.CheckConstraint("source in ('model', 'commentary')", name="source"),
    sa.CheckConstraint("length(text) > 0", name="text_not_empty"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("task_id", sa.String(36), primary_key=True),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("type", sa.String(20), nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("task_id", sa.String(36), primary_key=True),
    sa.Column("score", sa.Integer, nullable=False),
    sa.Column("comment", sa.Text),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("model", sa.String(200)),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.CheckConstraint("score in (-1, 1)", name="score"),
)

draws = sa.Table(
    "draws",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("caller", sa.String(80), nullable=False),
    sa.Column("collection", sa.String(64), nullable=False),
    sa.Column("server_seed", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("result", sa.JSON(none_as_null=True)),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("revoked_at", sa.Float),
)

shares = sa.Table(
    "shares",
    metadata,
    sa.Column("token", sa.String(43), primary_key=True),
    sa.Column("task_id", sa.String(36), nullable=False),
    sa.Column("with_question", sa.Boolean(create_constraint=True, name="with_question"), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
    sa.UniqueConstraint("task_id"),
)

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("task_id", sa.String(36), primary_key=True),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("due_at", sa.Float, nullable=False),
    sa.Index("ix_notices_due_at", "due_at"),
)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("task_id", sa.String(36), nullable=False),
    sa.Column("collection", sa.String(64), nullable=False),
    sa.Column("lot", sa.Integer, nullable=False),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("used_at", sa.Float, nullable=False),
    sa.Column("hits", sa.Integer, nullable=False, server_default="0"),
    sa.Column("bytes", sa.Integer, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Index("ix_answers_task_id", "task_id"),
    sa.Index("ix_answers_used_at", "used_at"),
)

gains = sa.Table(
    "gains",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("about", sa.String(500), nullable=False),
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("gain", sa.Float, nullable=False),
    sa.Column("measured_at", sa.Float, nullable=False),
)

faq_entries = sa.Table(
    "faq_entries",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("task_id", sa.String(36)),
    sa.Column("collection", sa.String(64), nullable=False),
    sa.Column("lot", sa.Integer, nullable=False),
    sa.Column("category", sa.String(16), nullable=False),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("reviewed_at", sa.Float),
    sa.CheckConstraint("status in ('pending', 'approved', 'rejected')", name="status"),
    sa.CheckConstraint("(status = 'pending') = (reviewed_at is null)", name="reviewed"),
    sa.CheckConstraint("length(question) > 0 and length(answer) > 0", name="not_empty"),
    sa.UniqueConstraint("task_id"),
    sa.Index("ix_faq_entries_status_created_at", "status", "created_at"),
)

figure_cells = sa.Table(
    "figure_cells",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("strategy", sa.String(16), nullable=False),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("collection", sa.String(64), nullable=False),
    sa.UniqueConstraint("mode", "model", "strategy", "language", "collection"),
)

#: Ended tasks by minute, hour, quarter of a day, day and 30 days: those of one cell, or all (cell 0). `level` and `at`
#: are minutes; the rest is packed as in `metrics.counted`.
figures = sa.Table(
    "figures",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True),
    sa.Column("cell", sa.Integer, primary_key=True),
    sa.Column("at", sa.Integer, primary_key=True),
    sa.Column("numbers", sa.LargeBinary, nullable=False),
    sa.Column("sketches", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

#: Hours and longer in which tasks were counted since their figures were made of shorter ones, if they ever were.
#: `stamp` is another each time.
stale_figures = sa.Table(
    "stale_figures",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True),
    sa.Column("at", sa.Integer, primary_key=True),
    sa.Column("stamp", sa.String(32), nullable=False),
    sqlite_with_rowid=False,
)
