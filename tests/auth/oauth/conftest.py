"""A running issuer for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.auth.oauth.issuer import Issuer, issuing


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[Issuer]:
    async with issuing(tmp_path) as issuer:
        yield issuer
