"""Alembic's folder: how the tables came to be. Run by `shared.migrations`, never by Alembic's own command."""
