"""The search of tickets by words: what is folded, indexed and found, in SQLite and PostgreSQL.

`docs/search.md` has the design and its measurements.
"""

from ticket_api.store.search.folding import fold
from ticket_api.store.search.index import (
    MOST_CANDIDATES,
    TextMatch,
    find,
    forget_tenant,
    forget_tickets,
    has_renames,
    index_tickets,
    merge_index,
)
from ticket_api.store.search.renames import index_renamed, note_rename

__all__ = [
    "MOST_CANDIDATES",
    "TextMatch",
    "find",
    "fold",
    "forget_tenant",
    "forget_tickets",
    "has_renames",
    "index_renamed",
    "index_tickets",
    "merge_index",
    "note_rename",
]
