"""Alembic's folder: how the tables came to be. Run by `shared.storage.migrations`, never by Alembic's own command."""
