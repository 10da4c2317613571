"""The table of resource templates: what clients show of each, and the tool that reads it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from shared.identity import Scope
from shared.localization import localized
from shared.tickets.master_lists import MASTER_LISTS, MasterList

SCOPE: Final = Scope.TICKETS_READ
"""The scope that a principal needs to see templates and to read what they name."""
KINDS: Final[Mapping[str, MasterList[Any]]] = MappingProxyType({
    one.name.replace("_", "-"): one for one in MASTER_LISTS
})  # fmt: skip
"""The lists of master data by their name in a URI."""


@dataclass(frozen=True, slots=True)
class TemplateSpec:
    """One resource template with one variable; `title` and `description` are in the language of the call."""

    uri_template: str
    name: str
    title: Callable[[], str]
    description: Callable[[], str]
    variable: str

    @property
    def begins_with(self) -> str:
        """What the URIs of this template begin with."""
        return self.uri_template.partition("{")[0]


TICKET: Final = TemplateSpec(
    "ticket://{id}",
    "ticket",
    lambda: localized("Ticket"),
    lambda: localized("One ticket with its newest history, as get_ticket_detail shows it."),
    "id",
)
MASTER: Final = TemplateSpec(
    "tickets://master/{kind}",
    "master",
    lambda: localized("Master data"),
    lambda: localized("A list of master data, its first 200 entries: {kinds}.", kinds=localized(", ").join(KINDS)),
    "kind",
)
TEMPLATES: Final = (TICKET, MASTER)


def template_of(uri: object) -> TemplateSpec | None:
    """Return the template to which a URI, or the template itself, belongs; None for any other."""
    given = uri.casefold() if isinstance(uri, str) else ""  # schemes and hosts have no case
    return next((one for one in TEMPLATES if given.startswith(one.begins_with)), None)
