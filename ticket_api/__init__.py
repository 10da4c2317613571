"""The reference ticket API: the paths and shapes of the API in production, without its traps.

SQLite or PostgreSQL by URL, in process or as a service of its own (`python -m ticket_api`).
Importing opens nothing; the lifespan of the app that `create_app` returns opens, migrates and closes the database.
Source of paths and shapes: the existing API as it was observed; `docs/ticket-api.md` lists what differs.
"""

from ticket_api.app import create_app

__all__ = ("create_app",)
