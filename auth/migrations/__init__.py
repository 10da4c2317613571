"""Alembic's folder of the identity store. Run by `shared.migrations`, never by Alembic's own command."""
