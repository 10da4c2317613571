"""Runs the revisions on the connection of `shared.storage.migrations`, inside its transaction and its lock."""

from alembic import context
from sqlalchemy import inspect
from sqlalchemy.schema import CreateSchema

from auth.store.tables import SCHEMA, metadata

connection = context.config.attributes["connection"]
schema = SCHEMA if connection.dialect.name == "postgresql" else None
if schema and not inspect(connection).has_schema(schema):  # Alembic's version table is in it, too
    connection.execute(CreateSchema(schema))
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table_schema=schema,
    transactional_ddl=True,  # also works on SQLite, since the program begins its transactions itself
)
context.run_migrations()
