"""What a reader must know of a page that was cut from a window. Pure."""

from collections.abc import Sequence
from typing import Final

from shared.errors import InvalidInputError, Problem
from shared.localization import localized

NOT_SORTABLE: Final = (
    "This ticket API does not return all matching tickets at once, so they could not be sorted here: pages come "
    "latest first whatever sortOrder says, and may repeat or miss tickets with equal dates."
)
API_ORDER: Final = (
    "The completion dates could not all be read in time, or change too fast, so tickets completed on the same day may "
    "be in any order, and uncompleted tickets may come first."
)
_NARROW: Final = "Narrow the list by person, account, status, due date or searchQuery."


def beyond(held: int) -> str:
    """Say what a page after the rows of a cut window may lack."""
    return localized(
        "More than {held:,} tickets match, and this ticket API cannot sort: beyond the first {held:,}, pages come "
        "latest first and may repeat or miss tickets with equal dates. {narrow}",
        held=held,
        narrow=localized(_NARROW),
    )


def ends_here(held: int) -> str:
    """Say that no further page has a cursor."""
    return localized(
        "More than {held:,} tickets match; with this ticket API, a cursor reaches only the first {held:,}, which end "
        "here. {narrow}",
        held=held,
        narrow=localized(_NARROW),
    )


def sorted_among(held: int, sort_by: str) -> str:
    """Say that the rows of a cut window were sorted."""
    return localized(
        "More than {held:,} tickets match, and this ticket API cannot sort: this page is sorted only among the "
        "{held:,} that it lists first by {sort_by}. {narrow}",
        held=held,
        sort_by=sort_by,
        narrow=localized(_NARROW),
    )


def filtered_among(held: int, sort_by: str, names: Sequence[str]) -> str:
    """Say that the rows of a cut window were filtered."""
    return localized(
        "This ticket API cannot filter by {names}, and more than {held:,} tickets fit the other arguments: only the "
        "{held:,} that it lists first by {sort_by} were looked at, so others may be missing. {narrow}",
        names=localized(" and ").join(names),
        held=held,
        sort_by=sort_by,
        narrow=localized(_NARROW),
    )


def no_window(names: Sequence[str]) -> InvalidInputError:
    """Return the refusal of a list for which all tickets would have to be fetched at once."""
    text = localized(
        "This ticket API does not return all matching tickets at once, so this list cannot be made with {names}; leave "
        "that out, or narrow the list by person, account, one status or due date",
        names=localized(" and ").join(names),
    )
    return InvalidInputError.of([Problem("", text)])
