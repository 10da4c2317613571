"""The servers of the tasks: `python -m tests.tasks.door stdio` or `http`, at the time of the tests (`NOW`)."""

import sys
from functools import partial

import cloud_mcp_server
import mcp_server
import ticket_service
from shared.tools import TicketTools
from tests.shared.given import at_now

if __name__ == "__main__":
    vars(ticket_service).update(TicketTools=partial(TicketTools, clock=at_now))
    sys.exit({"stdio": mcp_server.main, "http": cloud_mcp_server.main}[sys.argv[1]]())
