"""The language of a page: the one that was chosen, else the one that the browser prefers."""

from starlette.requests import Request

from shared.localization import LANGUAGES, accepted_language

__all__ = ("LANGUAGES", "language_of")


def language_of(request: Request) -> str:
    """Return the language that was chosen by `?lang=`, else the browser's first of those there are, else English."""
    chosen = request.query_params.get("lang", "")
    return chosen if chosen in LANGUAGES else accepted_language(request.headers.get("accept-language", ""))
