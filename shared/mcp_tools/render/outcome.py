"""Renders failures, and what stands below every result."""

from typing import Final

from shared.errors import Effect, TicketServerError
from shared.localization import localized
from shared.markdown import clean, inline
from shared.mcp_tools.cleaning import not_shown
from shared.tickets import results
from shared.tickets.dates.dated import UNKNOWN
from shared.visible_text import hidden_characters

EFFECTS: Final = {
    Effect.NOTHING_CHANGED: "Nothing was changed.",
    Effect.CHANGED: "It was changed.",
    Effect.UNKNOWN: "It may have been changed.",
}


def stamp(result: results.Result) -> str:
    """Render the minute of a result and who called."""
    said = [localized("As of {minute}.", minute=result.as_of)]
    if result.acting_user == UNKNOWN:
        said.append(localized("Your user in the ticket system is not known."))
    elif result.acting_user:
        said.append(localized("You are {user}.", user=inline(result.acting_user)))
    return localized(" ").join(said)


def failure(said: str) -> str:
    """Render what `sentence` returned as text that every Markdown renderer shows literally."""
    return "\n".join(map(inline, said.split("\n")))


def sentence(error: TicketServerError) -> str:
    """Return what went wrong and what is allowed, with exactly one statement of the effect on the tickets."""
    whole = str(error)
    said = clean(whole).strip()
    parts = [said]
    effect = localized(EFFECTS[error.effect])
    if effect.rstrip(".。").casefold() not in said.casefold():
        parts.append(effect)
    if said != whole and (dropped := hidden_characters(whole)):
        parts.append(not_shown(dropped))
    return ("\n" if "\n" in said else localized(" ")).join(parts)
