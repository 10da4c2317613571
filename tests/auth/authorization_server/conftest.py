"""Sites of client developers for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.auth.authorization_server.documents import CLIENT_ID, HOST, DocumentSites, document, sites


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[DocumentSites]:
    """One site, with the document of one client."""
    async with sites(tmp_path, [HOST]) as opened:
        opened.publish({CLIENT_ID: document()})
        yield opened
