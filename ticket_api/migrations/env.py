"""Runs the revisions on the connection of `shared.storage.migrations`, inside its transaction and its lock."""

from alembic import context

from ticket_api.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # also works on SQLite, since the program begins its transactions itself
)
context.run_migrations()
