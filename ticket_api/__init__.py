"""The reference ticket API: the paths and shapes of the production API, without its traps.

SQLite or PostgreSQL by URL, in process or as a service of its own (`python -m ticket_api`).
Importing opens nothing; the lifespan of the app that `create_app` returns opens and closes the database, and creates
the tables of an SQLite file. Several organisations, its tenants, may share it: `tenancy` and `store.connection`.
Source of paths and shapes: the observed behaviour of the existing API; `docs/ticket-api.md` lists the differences.
"""

from ticket_api.app import create_app

__all__ = ("create_app",)
