"""Runs the migrations on the connection that `tasks.database.migrate` opened."""

from alembic import context

from jieqian.tasks.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
