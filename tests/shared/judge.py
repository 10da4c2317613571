"""Checks every sentence of a tool's result against what really happened, and reports the false ones.

It understands the sentences that the patterns below match. A sentence about others that matches none of them is also
reported, so that new wording cannot pass unchecked.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tests.shared.gate import UNSETTLED, Json, Write
from tests.standin.columns import javascript_date

MEANWHILE: Final = re.compile(
    r"Meanwhile (?P<who>[^.:]+?) changed (?P<field>\w+): (?P<old>.+?) → (?P<new>.+?)\.(?=\s|$)"
)
COMMENTED: Final = re.compile(r"Meanwhile (?P<who>[^.:]+?) added a comment\.")
AGAIN: Final = re.compile(
    r"(?P<field>\w+) was stored, and changed again by (?P<who>[^.:]+?): (?P<old>.+?) → (?P<new>.+?)\. Do not repeat"
)
ALREADY: Final = re.compile(
    r"(?P<field>\w+) already held this value when the change arrived, set by (?P<who>[^.:]+?)\.(?=\s|$)"
)
HELD: Final = re.compile(r"holds every given value by now, through other changes: (?P<list>.+?)\.(?=\s|$)")
OVERTAKEN: Final = re.compile(r"(?P<field>\w+) was as given when the ticket was read, so it was not sent;")
HEDGES: Final = ("could not be told apart from it", "which of them is this call's cannot be determined")


class Call(NamedTuple):
    """One finished call, with everything known about it."""

    tool: str
    arguments: Mapping[str, Any]
    user: str
    text: str
    structured: Mapping[str, Any]
    is_error: bool
    writes: Sequence[Write]
    """The writes of this call, at most one."""
    known: frozenset[int]
    """Ids of the history entries that existed when it began."""
    seen: Json
    """The ticket as the call read it before the write, or at the end."""

    first_read: int
    """The newest history entry when it first read the history."""
    last_known: int
    """The newest history entry when it ended."""

    @property
    def made(self) -> list[Json]:
        """The entries that it really created."""
        return [entry for write in self.writes for entry in write.made]


def verdicts(call: Call, history: Sequence[Json], ticket: Json) -> Iterator[str]:
    """Yield what is false in the result of `call`; `history` and `ticket` are the final ones."""
    others = [one for one in history if one["id"] not in call.known and one not in call.made]
    yield from _about_others(call, history, others)
    if call.is_error:
        yield from _error(call, others)
    elif call.tool == "add_ticket_history":
        yield from _comment(call, others, history)
    else:
        yield from _update(call, others)


def _about_others(call: Call, history: Sequence[Json], others: Sequence[Json]) -> Iterator[str]:
    made = {entry["id"] for entry in call.made}
    hedged = any(hedge in call.text for hedge in HEDGES)
    for found in MEANWHILE.finditer(call.text):
        entries = others if not hedged else [*others, *call.made]
        if not any(_shows(entry, found) for entry in entries):
            yield f"no other entry matches: {found.group()}"
    for found in COMMENTED.finditer(call.text):
        if not any(_is_by(entry, found["who"]) and entry["comment"] for entry in others):
            yield f"no other comment matches: {found.group()}"
    yield from _about_fields(call, history, made, hedged=hedged)
    understood = sum(len(form.findall(call.text)) for form in (MEANWHILE, COMMENTED))
    if call.text.count("Meanwhile") != understood:
        yield "a sentence about others matches no known pattern"


def _about_fields(call: Call, history: Sequence[Json], made: set[int], *, hedged: bool) -> Iterator[str]:
    for found in AGAIN.finditer(call.text):
        later = [entry for entry in history if not made or entry["id"] > min(made)]
        if not any(_shows(entry, found) for entry in later if entry["id"] not in made or hedged):
            yield f"no later entry matches: {found.group()}"
    for found in ALREADY.finditer(call.text):
        if any(one["fieldName"] == found["field"] for entry in call.made for one in entry["changedFields"]):
            yield f"the call's own entry changed it: {found.group()}"
        if not any(_is_by(entry, found["who"]) for entry in history):
            yield f"no such author: {found.group()}"
    for found in OVERTAKEN.finditer(call.text):
        if not any(one["fieldName"] == found["field"] for entry in history for one in entry["changedFields"]):
            yield f"nothing changed it: {found.group()}"


def _error(call: Call, others: Sequence[Json]) -> Iterator[str]:
    error = call.structured["error"]
    effect, faults = error["effect"], {write.fault for write in call.writes}
    if effect == "nothing_changed" and any(entry["changedFields"] or entry["comment"] for entry in call.made):
        yield "it says that nothing was changed, but something was"
    if effect == "nothing_changed" and faults & UNSETTLED:
        yield "it says that nothing was changed, which it cannot know"
    if effect == "changed":
        yield "it says that only a part was stored, but these APIs store all or nothing"
    if effect == "unknown" and not faults & UNSETTLED and "from this call or from an equal one" not in call.text:
        yield "it says that the outcome is unknown, although it can be determined"
    if "repeat the call" in call.text and _overlap(call, others):
        yield "it advises repeating a call that would overwrite a colleague's change"
    if "already holds every given value" in call.text and _differs(call, call.seen):
        yield "it says that the ticket held every value when it was read"
    for _ in HELD.finditer(call.text):
        if not others:
            yield "it says that others set the values, but there were no others"


def _update(call: Call, others: Sequence[Json]) -> Iterator[str]:
    said = {one["field"]: one for one in call.structured["changed"]}
    hedged = any(hedge in call.text for hedge in HEDGES)
    if not call.made:
        if not (hedged and _equal(call, others)):
            yield "it says that it was done, but it was not"
        return
    if hedged and len(_equal(call, others)) > 0:
        return  # the result says that it does not know which of the equal changes is its own
    really = {one["fieldName"]: one for entry in call.made for one in entry["changedFields"]}
    if said.keys() != really.keys():
        yield f"it claims to have changed {sorted(said)}, but it changed {sorted(really)}"
    for name in said.keys() & really.keys():
        for which, shown in (("oldValue", said[name].get("old")), ("newValue", said[name].get("new"))):
            if not _same(really[name][which], shown):
                yield f"{name}: it shows {shown!r} for {really[name][which]!r}"
    again = {found["field"] for found in AGAIN.finditer(call.text)}
    for name in again - really.keys():
        yield f"{name} was not stored by it, so it cannot have been changed again"


def _comment(call: Call, others: Sequence[Json], history: Sequence[Json]) -> Iterator[str]:
    shown = call.structured["entry"]
    if call.text.startswith("Already added"):  # by an earlier call with the same content
        if call.made or not any(str(one["id"]) == shown["id"] for one in _equal(call, history)):
            yield "it was not added before"
        return
    if not any(str(entry["id"]) == shown["id"] for entry in call.made):
        hedged = any(hedge in call.text for hedge in HEDGES)
        if not (hedged and _equal(call, others)):
            yield "it shows another call's entry as its own"


def _equal(call: Call, others: Sequence[Json]) -> list[Json]:
    """Return entries of other calls that look like this call's."""
    comment = call.arguments.get("comment")
    return [one for one in others if one["userId"] == call.user and (one["comment"] or None) == comment]


def _overlap(call: Call, others: Sequence[Json]) -> bool:
    fields = {*call.arguments, *(call.arguments.get("clear") or ())}
    theirs = {
        one["fieldName"]
        for entry in others
        if call.first_read < entry["id"] <= call.last_known
        for one in entry["changedFields"]
    }
    return bool(fields & theirs)


def _differs(call: Call, ticket: Json) -> bool:
    given = {name: value for name, value in call.arguments.items() if name in ticket}
    return any(not _same_value(ticket[name], value) for name, value in given.items())


def _same_value(stored: Any, given: Any) -> bool:
    if isinstance(given, int | float) and not isinstance(given, bool):
        return stored is not None and float(stored) == given
    return (stored or None) == (given or None)


def _same(real: str | None, shown: str | None) -> bool:
    """Whether a shown value is the real one: `name (id)` for either, yes for true, 2 for 2.0, a day for a `Date`."""
    if not real or not shown:
        return not real and not shown
    if real.endswith("GMT+0000 (Coordinated Universal Time)"):
        return javascript_date(shown) == real
    if real in {"true", "false"}:
        return shown == {"true": "yes", "false": "no"}[real]
    if re.fullmatch(r"\d+\.\d", real):
        return float(real) == float(shown)
    return real == shown or (shown.endswith(")") and (f"({real})" in shown or shown.startswith(f"{real} (")))


def _shows(entry: Json, found: re.Match[str]) -> bool:
    return _is_by(entry, found["who"]) and any(
        one["fieldName"] == found["field"]
        and _same(one["oldValue"], _full(found["old"]))
        and _same(one["newValue"], _full(found["new"]))
        for one in entry["changedFields"]
    )


def _is_by(entry: Json, who: str) -> bool:
    return f"{entry['userName']} ({entry['userId']})" == who


def _full(shown: str) -> str | None:
    return None if shown == "(empty)" else shown
