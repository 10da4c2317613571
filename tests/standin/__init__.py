"""A stand-in for the ticket API in production, with all its known traps.

For tests of our client only: in memory, with fresh data for each `create_app`, never deployed.
Four parts: `app` (what Express does), `model` (the handlers and their statements), `columns` (what the database
accepts), `sample` (the data).
Source: behaviour observed on the running service; `test_standin.py` documents it case by case.
"""

from tests.standin.app import create_app

__all__ = ["create_app"]
