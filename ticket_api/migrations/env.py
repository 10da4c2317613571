"""Runs the revisions on the connection that `shared.storage.migrations` opened, inside its transaction and its lock."""

from alembic import context

from ticket_api.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can, too, since the program begins its transactions itself
)
context.run_migrations()
