"""The search of tickets by words: what is folded, indexed and found, in SQLite and PostgreSQL.

`docs/search.md` has the design and its measurements.
"""

from ticket_api.store.search.folding import fold
from ticket_api.store.search.index import TextMatch, find, index_tickets

__all__ = ["TextMatch", "find", "fold", "index_tickets"]
