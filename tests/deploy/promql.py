"""Which metrics, labels and values of labels a PromQL expression names, and which of them this program does not emit.

Reads the tokens of PromQL that `promtool` accepts; it evaluates nothing.
"""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*") | (?P<duration>\d+(?:ms|[smhdwy])\b) | (?P<number>\d[\d.e]*)
      | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*) | (?P<sign>=~|!~|!=|==|>=|<=|[^\s])""",
    re.VERBOSE,
)
_BEFORE_LABELS: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_AGGREGATIONS: Final = frozenset({"sum", "max", "min", "avg", "count"})
"""Functions after which labels may stand: `sum by (wire) (…)`."""
_WORDS: Final = frozenset({"offset", "bool", "and", "or", "unless", "inf", "nan"})
_OF_HISTOGRAM: Final = ("_bucket", "_count", "_sum")
OF_TARGETS: Final = frozenset({"instance", "job"})
"""Labels that the scraping side adds."""


class Matcher(NamedTuple):
    """One condition on a label."""

    label: str
    operator: str
    value: str


class Names(NamedTuple):
    """What one expression names."""

    selectors: tuple[tuple[str, tuple[Matcher, ...]], ...]
    """Each metric with its matchers."""
    groupings: frozenset[str]
    """Labels in `by (…)`, `on (…)` and the like."""


class Emitted(NamedTuple):
    """What a program emits."""

    labels: Mapping[str, AbstractSet[str]]
    """Of each metric, by its full name."""
    values: Mapping[str, AbstractSet[str]]
    """Of those labels whose values are known."""


def names(expr: str) -> Names:
    """Return what `expr` names."""
    tokens = [(str(found.lastgroup), found[0]) for found in _TOKEN.finditer(expr)]
    selectors: list[tuple[str, tuple[Matcher, ...]]] = []
    groupings: set[str] = set()
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        at += 1
        if kind != "name" or text in _WORDS:
            continue
        if text in _BEFORE_LABELS:
            if following == "(":
                end = tokens.index(("sign", ")"), at)
                groupings |= {word for what, word in tokens[at:end] if what == "name"}
                at = end + 1
        elif following == "{":
            end = tokens.index(("sign", "}"), at)
            selectors.append((text, tuple(_matchers(tokens[at + 1 : end]))))
            at = end + 1
        elif following != "(" and not (following in _BEFORE_LABELS and text in _AGGREGATIONS):
            selectors.append((text, ()))
    return Names(tuple(selectors), frozenset(groupings))


def _matchers(tokens: list[tuple[str, str]]) -> Iterator[Matcher]:
    for at, (kind, text) in enumerate(tokens):
        if kind == "string":
            yield Matcher(tokens[at - 2][1], tokens[at - 1][1], text[1:-1].replace("\\\\", "\\"))


def faults(expr: str, emitted: Emitted) -> Iterator[str]:
    """Yield a sentence for each name in `expr` that is not emitted."""
    named = names(expr)
    known: set[str] = set(OF_TARGETS)
    for metric, matchers in named.selectors:
        labels = labels_of(metric, emitted)
        if labels is None:
            yield f"there is no metric {metric}"
            continue
        known |= labels
        for one in matchers:
            if one.label not in labels | OF_TARGETS:
                yield f"{metric} has no label {one.label}"
            elif one.label in emitted.values:
                yield from (f"{one.label} is never {word!r}" for word in _unknown(one, emitted.values[one.label]))
    yield from (f"no metric here has the label {label}" for label in sorted(named.groupings - known))


def labels_of(metric: str, emitted: Emitted) -> AbstractSet[str] | None:
    """Return the labels of a metric, or of a part of a histogram; None if there is no such metric."""
    for end in _OF_HISTOGRAM:
        base = metric.removesuffix(end)
        if base != metric and "le" in emitted.labels.get(base, ()):
            return emitted.labels[base] if end == "_bucket" else emitted.labels[base] - {"le"}
    labels = emitted.labels.get(metric)
    return None if labels is None or "le" in labels else labels


def _unknown(matcher: Matcher, values: AbstractSet[str]) -> Iterator[str]:
    """Yield the alternatives of a matcher that fit no value."""
    words = matcher.value.split("|") if "~" in matcher.operator else [re.escape(matcher.value)]
    yield from (word for word in words if not any(re.fullmatch(word, value) for value in values))
