"""Alembic's folder: how the tables came to be. Run by `ticket_api.migrate`, never by Alembic's own command."""
