"""The Alembic folder of the identity store. Run by `shared.storage.migrations`, never by Alembic's own command."""
