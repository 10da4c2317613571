"""The servers of the tasks: `python -m tests.tasks.door stdio` or `http`.

It is the time of the tests there (`NOW`), and no tickets are kept between calls: those of the next task are others.
"""

import sys
from functools import partial

import cloud_mcp_server
import mcp_server
import ticket_service
from shared.tickets.paging import windows
from shared.tools import TicketTools
from tests.shared.given import at_now

if __name__ == "__main__":
    vars(ticket_service).update(TicketTools=partial(TicketTools, clock=at_now))
    vars(windows).update(KEEP_S=0.0)
    sys.exit({"stdio": mcp_server.main, "http": cloud_mcp_server.main}[sys.argv[1]]())
