"""How many connections each kind of database takes; without the libraries, which a start does not wait for."""

from typing import Final

CONNECTIONS: Final = {"sqlite": 5, "postgresql": 10}
"""Maximum connections of one pool."""
