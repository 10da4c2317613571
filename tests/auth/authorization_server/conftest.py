"""A running identity provider, the sites of client developers, and a server where Mary signs in, for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from auth.store import open_store
from tests.auth.authorization_server.browsing import Browser, Site, add_mary
from tests.auth.authorization_server.documents import CLIENT_ID, HOST, DocumentSites, document, sites
from tests.auth.conftest import SECRETS, Clock
from tests.auth.oauth.issuer import ISSUER, KEYS, METADATA, Issuer, issuing, page
from tests.databases import copy_sqlite, run_aside

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


@pytest.fixture(scope="session")
def template_with_mary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sign-in") / "template.sqlite3"
    run_aside(add_mary(f"sqlite:///{path.as_posix()}"))
    return path


@pytest.fixture
async def site(template_with_mary: Path, tmp_path: Path, clock: Clock) -> AsyncIterator[Site]:
    """The server, running; Mary, an agent of acme, has not signed in yet."""
    url = copy_sqlite(template_with_mary, tmp_path / "identity.sqlite3")
    async with open_store(url, SECRETS, clock=clock) as store:
        site = Site(store, clock)
        async with site.server.run():
            yield site


@pytest.fixture
def browser(site: Site) -> Browser:
    return site.browser()
