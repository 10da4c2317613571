"""The official suite against the transport, with a key: on one instance, and on two that share a Valkey.

docs/conformance.md has the results. Not covered are scenarios of the tasks extension, which this server does not
implement, and behaviour without a scenario in the suite.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.conformance.key_proxy import KeyProxy
from tests.conformance.suite import ALPHA, STABLE, Report, run_suite
from tests.processes import KEY, started
from tests.valkey import valkey_server

HANDSHAKE: Final = ("--requirements", "2025-11-25")
STATELESS: Final = ("--requirements", "2026-07-28")
HEADERS: Final = {"http-header-validation", "http-custom-header-server-validation"}
SCORED: Final = {HANDSHAKE: 30, STATELESS: 37}
EXTENSION: Final = "tasks-"


@pytest.fixture(scope="module")
def alone() -> Iterator[list[int]]:
    """The port of one instance, with sessions in memory."""
    with ExitStack() as stack:
        yield [start(stack)]


@pytest.fixture(scope="module")
def pair() -> Iterator[list[int]]:
    """The ports of two instances with one Valkey."""
    with ExitStack() as stack:
        valkey = stack.enter_context(valkey_server("--appendonly", "no"))
        yield [start(stack, "--broker-url", valkey.url) for _ in range(2)]


def start(stack: ExitStack, *arguments: str) -> int:
    """Start an instance that ends with the stack, and return its port."""
    address, _ = stack.enter_context(started(("-m", "tests.conformance.server", *arguments)))
    return urlsplit(address).port or 0


@asynccontextmanager
async def behind_a_proxy(ports: Sequence[int], key: str = KEY) -> AsyncGenerator[str]:
    """Yield the URL of the endpoint for a client without a key."""
    proxy = KeyProxy(ports, key)
    async with proxy.run():
        yield f"{proxy.address}/mcp"


async def requirements(node_modules: Path, ports: Sequence[int], arguments: tuple[str, str]) -> Report:
    """Run the requirements of a revision, and check everything except the extension."""
    async with behind_a_proxy(ports) as url:
        report = await run_suite(node_modules, ALPHA, url, *arguments)

    ours = {name for name in report.checks if not name.startswith(EXTENSION)}
    complaints = report.complaints(ours)
    assert not complaints, complaints
    assert len(report.scored) == SCORED[arguments]
    assert report.code == 0, report.said
    return report


@pytest.mark.xdist_group("conformance")
@pytest.mark.parametrize("revision", [HANDSHAKE, STATELESS], ids=" ".join)
async def test_one_instance_meets_the_requirements(
    node_modules: Path, alone: list[int], revision: tuple[str, str]
) -> None:
    report = await requirements(node_modules, alone, revision)

    assert revision == HANDSHAKE or report.checks.keys() >= HEADERS


@pytest.mark.xdist_group("conformance-pair")
@pytest.mark.parametrize("revision", [HANDSHAKE, STATELESS], ids=" ".join)
async def test_two_instances_meet_the_requirements_wherever_a_request_goes(
    node_modules: Path, pair: list[int], revision: tuple[str, str]
) -> None:
    await requirements(node_modules, pair, revision)


@pytest.mark.xdist_group("conformance")
async def test_the_suite_of_what_is_current_passes(node_modules: Path, alone: list[int]) -> None:
    async with behind_a_proxy(alone) as url:
        report = await run_suite(node_modules, ALPHA, url, "--suite", "active")

    complaints = report.complaints(report.checks)
    assert not complaints, complaints
    assert len(report.checks) == 31
    assert report.code == 0, report.said


@pytest.mark.xdist_group("conformance")
async def test_all_of_the_stable_release_passes(node_modules: Path, alone: list[int]) -> None:
    async with behind_a_proxy(alone) as url:
        report = await run_suite(node_modules, STABLE, url, "--suite", "all")

    complaints = report.complaints(report.checks)
    assert not complaints, complaints
    assert len(report.checks) == 32
    assert report.code == 0, report.said


@pytest.mark.xdist_group("conformance")
@pytest.mark.parametrize("revision", [HANDSHAKE, STATELESS], ids=" ".join)
async def test_without_the_right_key_the_suite_fails(
    node_modules: Path, alone: list[int], revision: tuple[str, str]
) -> None:
    async with behind_a_proxy(alone, "wrong") as url:
        report = await run_suite(node_modules, ALPHA, url, *revision)

    assert report.code == 1
    assert "This API key is not valid" in report.complaints({"tools-list"}), report.said
