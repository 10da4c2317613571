"""Runs the revisions on the connection that `shared.storage.migrations` opened, inside its transaction and its lock."""

from alembic import context
from sqlalchemy import inspect
from sqlalchemy.schema import CreateSchema

from auth.store.tables import SCHEMA, metadata

connection = context.config.attributes["connection"]
schema = SCHEMA if connection.dialect.name == "postgresql" else None
if schema and not inspect(connection).has_schema(schema):  # Alembic's own table lies in it, too
    connection.execute(CreateSchema(schema))
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table_schema=schema,
    transactional_ddl=True,  # SQLite can, too, since the program begins its transactions itself
)
context.run_migrations()
