"""Which statuses mean that a ticket is completed. Pure."""

from collections.abc import Iterable, Sequence

from shared.tickets.models import Status


def completed_ids(statuses: Iterable[Status], configured: str) -> frozenset[str]:
    """Return the ids of the statuses that the ticket API marks as completed; if it marks none, the configured id."""
    return frozenset(one.id for one in statuses if one.completed) or frozenset({configured})


def marked(statuses: Sequence[Status], configured: str) -> list[Status]:
    """Return the statuses, each of which says whether it means completed."""
    completed = completed_ids(statuses, configured)
    return [one.model_copy(update={"completed": one.id in completed}) for one in statuses]
