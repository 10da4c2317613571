"""The HTTP server of these tests: `python -m tests.chaos.door`.

A client that reconnects has 2 s to say who it is, and answers within milliseconds. Where everything shares one machine
that may stand still for longer, it has more time, with as many questions in it.
"""

import sys

from cloud_mcp_server import main
from transport.dispatch import client_requests

if __name__ == "__main__":
    vars(client_requests).update(
        RECOGNISE_S=10 * client_requests.RECOGNISE_S,
        PINGS=10 * client_requests.PINGS,
    )
    sys.exit(main())
