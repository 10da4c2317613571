"""The language of a page: the one that was chosen, else the one that the browser prefers."""

from typing import Final

from starlette.requests import Request

from shared import localization

LANGUAGES: Final[tuple[str, ...]] = localization.LANGUAGES


def language_of(request: Request) -> str:
    """Return the language that was chosen by `?lang=`, else the browser's first of those there are, else English."""
    chosen = request.query_params.get("lang", "")
    return chosen if chosen in LANGUAGES else localization.accepted_language(request.headers.get("accept-language", ""))
