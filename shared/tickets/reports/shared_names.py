"""Names of master data that several items of one list have."""

from collections import Counter
from collections.abc import Sequence

from shared.tickets.folding import name_key
from shared.tickets.master_data import MasterData
from shared.tickets.master_lists import ACCOUNTS, CATEGORIES, REQUEST_CHANNELS, STATUSES, USERS
from shared.tickets.models import MasterItem


async def shared_names(master: MasterData) -> frozenset[str]:
    """Return the keys of these names. Raises: UpstreamError: master data could not be fetched."""
    lists = await master.lists()
    named: tuple[Sequence[MasterItem], ...] = (
        *(lists[USERS], lists[ACCOUNTS], lists[CATEGORIES]),
        *(lists[REQUEST_CHANNELS], lists[STATUSES]),
    )
    times = [Counter(name_key(item.name) for item in items) for items in named]
    return frozenset(key for counted in times for key, number in counted.items() if number > 1)
