"""The Alembic folder of the tables. Run by `shared.storage.migrations`, never by Alembic's own command."""
