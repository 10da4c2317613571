"""The web sites of client developers, on this machine: metadata documents over https, under the names of their hosts.

The hosts resolve to a public address, and connections to that address end here, at a server whose certificate the
fetcher trusts. So a document is fetched with every check that is made in production.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from auth.oauth.fetcher import GuardedFetcher
from tests.auth.oauth.issuer import Names, Network, Page, Site, page
from tests.certificates import certify

HOST: Final = "client.example"
CLIENT_ID: Final = f"https://{HOST}/oauth/client.json"
CALLBACK: Final = "http://127.0.0.1/callback"


def document(address: str = CLIENT_ID, /, **changes: Any) -> dict[str, Any]:
    """Return the document of a client with `changes`; a member that is set to ... is left out."""
    usual = {
        "client_id": address,
        "client_name": "Example",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
    return {name: value for name, value in (usual | changes).items() if value is not ...}


class DocumentSites:
    """The sites. Change `site` and `names` to make them misbehave."""

    def __init__(self, port: int, site: Site, tls: ssl.SSLContext) -> None:
        self.site, self.names, self.network, self.tls = site, Names(), Network(port), tls

    def publish(self, documents: Mapping[str, object]) -> None:
        """Serve each document at its address: of JSON, or a whole response."""
        for address, content in documents.items():
            served: Page = content if callable(content) else page(content)
            self.site.pages[urlsplit(address).path] = served

    def fetcher(self, *, within_s: float = 30.0) -> GuardedFetcher:
        return GuardedFetcher(resolve=self.names, network=self.network, ssl_context=self.tls, within_s=within_s)


@asynccontextmanager
async def sites(folder: Path, hosts: Iterable[str]) -> AsyncIterator[DocumentSites]:
    """Serve the sites of `hosts`, empty at first; cut their connections at the end."""
    certificate, site = certify(folder, *hosts), Site()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with await asyncio.start_server(site.serve, "127.0.0.1", 0, ssl=tls) as server:
        yield DocumentSites(
            server.sockets[0].getsockname()[1], site, ssl.create_default_context(cafile=str(certificate))
        )
