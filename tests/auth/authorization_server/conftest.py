"""A running identity provider with its token endpoint, and the sites of client developers, for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.auth.authorization_server.documents import CLIENT_ID, HOST, DocumentSites, document, sites
from tests.auth.oauth.issuer import ISSUER, KEYS, METADATA, Issuer, issuing, page

AUTHORIZE, TOKEN = "/authorize", "/token"


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[Issuer]:
    async with issuing(tmp_path) as issuer:
        describe(issuer)
        yield issuer


def describe(issuer: Issuer, /, **changes: object) -> None:
    """Serve the metadata of a provider with changes; one that is set to ... is left out."""
    usual = {
        "issuer": ISSUER,
        "authorization_endpoint": ISSUER + AUTHORIZE,
        "token_endpoint": ISSUER + TOKEN,
        "jwks_uri": ISSUER + KEYS,
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
    }
    issuer.site.pages[METADATA] = page({name: said for name, said in (usual | changes).items() if said is not ...})


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[DocumentSites]:
    """One site, with the document of one client."""
    async with sites(tmp_path, [HOST]) as opened:
        opened.publish({CLIENT_ID: document()})
        yield opened
