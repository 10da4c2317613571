"""The languages of the pages, and which of them a browser prefers. Source: RFC 9110, 12.5.4 (Accept-Language)."""

from typing import Final

from starlette.requests import Request

LANGUAGES: Final = ("en", "ja")


def language_of(request: Request) -> str:
    """Return the language that was chosen by `?lang=`, else the browser's first of those there are, else English."""
    chosen = request.query_params.get("lang", "")
    if chosen in LANGUAGES:
        return chosen
    weights = dict(map(_weighted, reversed(request.headers.get("accept-language", "").lower().split(","))))
    return max(LANGUAGES, key=lambda language: weights.get(language, 0.0))


def _weighted(one: str) -> tuple[str, float]:
    """Return the primary language of one range of `Accept-Language`, and its weight."""
    name, _, weight = one.partition(";")
    value = weight.strip().removeprefix("q=")
    return name.strip().partition("-")[0], float(value) if value.replace(".", "", 1).isdecimal() else 1.0
