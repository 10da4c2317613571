"""Which language a client prefers. Source: RFC 9110, 12.5.4 (Accept-Language)."""

from shared.localization.current import LANGUAGES, Language


def accepted_language(header: str) -> Language:
    """Return the language with the largest weight in `Accept-Language`, else English."""
    weights: dict[str, float] = {}
    for name, weight in map(_weighted, header.lower().split(",")):
        weights[name] = max(weight, weights.get(name, 0.0))
    return max(LANGUAGES, key=lambda language: weights.get(language, 0.0))


def _weighted(one: str) -> tuple[str, float]:
    """Return the primary language of one range of `Accept-Language`, and its weight."""
    name, _, weight = one.partition(";")
    value = weight.strip().removeprefix("q=")
    return name.strip().partition("-")[0], float(value) if value.replace(".", "", 1).isdecimal() else 1.0
