"""The servers of the tasks: `python -m tests.tasks.door stdio` or `http`.

It is the time of the tests there (`NOW`), and no tickets are kept between calls: those of the next task are others.
What a result waits for only briefly is waited for longer, as everything shares one machine.
"""

import sys
from functools import partial
from typing import Final

import cloud_mcp_server
import mcp_server
import ticket_service
from shared.tickets import acting_user
from shared.tickets.paging import windows
from shared.tickets.similar import look_alikes
from shared.tools import TicketTools
from tests.shared.given import at_now

LONG_S: Final = 20.0

if __name__ == "__main__":
    vars(ticket_service).update(TicketTools=partial(TicketTools, clock=at_now))
    vars(windows).update(KEEP_S=0.0, FETCH_S=LONG_S)
    for module in (acting_user, look_alikes):
        vars(module).update(LOOK_S=LONG_S)
    sys.exit({"stdio": mcp_server.main, "http": cloud_mcp_server.main}[sys.argv[1]]())
