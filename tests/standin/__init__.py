"""A stand-in for the ticket API that exists in production, with every trap it is known to have.

For tests of our client only: in memory, one fresh set of data for each `create_app`, never deployed.
Four parts: `app` (what Express does), `model` (the handlers and their statements), `columns` (what the database
accepts), `sample` (the data).
Source: the behaviour observed on the running service; `test_standin.py` states it case by case.
"""

from tests.standin.app import create_app

__all__ = ["create_app"]
