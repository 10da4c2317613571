"""Whether the requestor may read a comment: `public`, or `internal`.

Only a ticket API with the feature `comment-visibility` marks comments. For others `public` is refused, because the mark
would be lost; `internal` is not sent, and a note says that the API has no marks.
"""

from dataclasses import dataclass, field
from typing import Final

from shared.errors import Problem
from shared.localization import localized
from shared.tickets.features import COMMENT_VISIBILITY, FeatureReader
from shared.tickets.models import HistoryEntry

PUBLIC: Final = "public"


@dataclass(frozen=True, slots=True)
class Marked:
    """How a comment is marked: its part of the request body, notes, and why it cannot be."""

    body: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


class CommentVisibility:
    """The marks of comments of one ticket API."""

    def __init__(self, features: FeatureReader) -> None:
        self._features = features

    async def of(self, given: str | None) -> Marked:
        """Return how a comment is marked as `given`; None: as the API does by default."""
        if given is None:
            return Marked()
        if await self._features.has(COMMENT_VISIBILITY):
            return Marked({"visibility": given})
        if given == PUBLIC:
            text = localized("this ticket API cannot mark a comment as public; leave visibility out")
            return Marked(problems=(Problem("visibility", text),))
        note = localized("This ticket API does not mark comments; who may read this one is not known here.")
        return Marked(notes=(note,))


def marked_otherwise(wanted: object, entry: HistoryEntry) -> tuple[str, ...]:
    """Say that a stored comment is not marked as it was sent; None: it was sent without a mark."""
    is_public = entry.visibility == PUBLIC
    if wanted is None or is_public is (wanted == PUBLIC):
        return ()
    if is_public:
        return (localized("The comment was stored, but as public."),)
    return (localized("The comment was stored, but not as public."),)
