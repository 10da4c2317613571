"""The HTTP server, except for what a test cannot wait for or reach.

Its access tokens live for a few seconds, and clocks may not differ, so that a client has to renew its token while a
test waits. Metadata documents of clients come from this machine, under the names of their hosts (client_rows.py has
them); they are fetched with every check that is made in production.

Run with `python -m tests.interop.sign_in.server SECONDS`.
"""

import asyncio
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import cloud_mcp_server
from auth.authorization_server.server import AuthorizationServerOptions
from auth.authorization_server.tokens import access_tokens, endpoint
from auth.oauth import claims, verification
from auth.oauth.fetcher import GuardedFetcher
from tests.auth.authorization_server.client_rows import ROWS
from tests.auth.authorization_server.documents import sites


def published() -> GuardedFetcher:
    """Serve the documents of the known clients until this process ends; return what fetches them."""
    documents = {document["client_id"]: document for row in ROWS for document in row.documents}
    hosts = {str(urlsplit(address).hostname) for address in documents}
    started: list[GuardedFetcher] = []
    is_up = threading.Event()

    async def serve() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with sites(Path(folder), hosts) as served:
                served.publish(documents)
                started.append(served.fetcher())
                is_up.set()
                await asyncio.Event().wait()

    threading.Thread(target=asyncio.run, args=(serve(),), daemon=True).start()
    assert is_up.wait(30)
    return started[0]


def main(life_s: int) -> int:
    """Run the server; return its exit code."""
    for module in (access_tokens, endpoint):
        module.__dict__["LIFE_S"] = life_s
    for module in (claims, verification):
        module.__dict__["LEEWAY_S"] = 0.0
    options = partial(AuthorizationServerOptions, client_fetcher=published())
    cloud_mcp_server.__dict__["AuthorizationServerOptions"] = options
    return cloud_mcp_server.main()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
