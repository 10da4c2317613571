"""Reads a list page by page, and stops where a list without an end would hold its reader."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Final

from sse_conformance.client import NotConformingError
from sse_conformance.scenarios.expect import METHOD_NOT_FOUND, error_code
from sse_conformance.session import Session

TEMPLATES: Final = "resources/templates/list"
_MOST_PAGES: Final = 500
_MOST_WITHOUT_NEWS: Final = 10
_MEMBERS: Final = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    TEMPLATES: "resourceTemplates",
}


@dataclass(slots=True)
class Listed:
    """A list, read to its end or until there is a reason to stop."""

    method: str
    items: list[dict[str, Any]] = field(default_factory=list)
    endless: str = ""
    """Why it was read no further; empty at the end of the list."""
    _cursors: list[str] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)
    _without_news: int = 0

    def take(self, result: object) -> str | None:
        """Add a page and return the cursor of the next one, None at the end. Raises: NotConformingError."""
        member = _MEMBERS[self.method]
        items = result.get(member) if isinstance(result, dict) else None
        if (
            not isinstance(result, dict)
            or not isinstance(items, list)
            or not all(isinstance(one, dict) for one in items)
        ):
            raise NotConformingError(f"The result of {self.method} has no list of {member}.")
        self.items += items
        if "nextCursor" not in result:
            return None
        self.endless = self._reason_to_stop(result["nextCursor"], {json.dumps(one, sort_keys=True) for one in items})
        return None if self.endless else self._cursors[-1]

    def _reason_to_stop(self, cursor: object, items: set[str]) -> str:
        page = len(self._cursors) + 1
        if not isinstance(cursor, str):
            return f"The nextCursor of {self.method} is {json.dumps(cursor)}, no string: at the end there is none."
        if cursor in self._cursors:
            first = self._cursors.index(cursor) + 1
            return f"{self.method} has no end: page {page} has the nextCursor of page {first} again."
        self._without_news = 0 if items - self._known else self._without_news + 1
        if self._without_news == _MOST_WITHOUT_NEWS:
            return f"{self.method} has no end: {_MOST_WITHOUT_NEWS} pages without anything new have a nextCursor."
        if page == _MOST_PAGES:
            return f"{self.method} has no end: page {page} still has a nextCursor."
        self._known |= items
        self._cursors.append(cursor)
        return ""


async def read_list(session: Session, method: str, *, within_s: float) -> Listed | None:
    """Read a list within `within_s` seconds; None if the server has no such method, as templates are optional."""
    listed, page = Listed(method), 1
    params: dict[str, str] | None = None
    end = asyncio.get_running_loop().time() + within_s
    while True:
        response = await session.request(method, params)
        if method == TEMPLATES and error_code(response) == METHOD_NOT_FOUND:
            return None
        cursor = listed.take(response.get("result"))
        if cursor is None:
            return listed
        if asyncio.get_running_loop().time() > end:
            listed.endless = f"{method} has no end: it still has a nextCursor after {within_s:g} s and {page} page(s)."
            return listed
        page, params = page + 1, {"cursor": cursor}
