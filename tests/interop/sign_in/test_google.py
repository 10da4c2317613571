"""Clients that sign in with Google at the server itself, with nothing but its address, and those who judge that.

Clients and judges are programs of others, unchanged, as is the provider; browser.py does what a person does.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.interop import environments
from tests.interop.drivers.common import reasons
from tests.interop.rows import PATHS, WIRES, Wire
from tests.interop.sign_in.browser import Person
from tests.interop.sign_in.clients import claude_code
from tests.interop.sign_in.deployment import LEAVING, Deployment, sign_in_with_google
from tests.interop.sign_in.google import GINA, JOHN, MARY, PAT, email_of
from tests.interop.sign_in.judges import authlab, official_suite
from tests.interop.sign_in.rows import ROWS, SignIn
from tests.shared.given import TICKET

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(func_only=True),  # a set-up may have to install the clients first
    pytest.mark.xdist_group("google"),
]
LIFE_S: Final = 2
TALK_S: Final = 60.0


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A server at which people sign in with Google, set up by docs/oauth.md."""
    environments.make()
    with sign_in_with_google(tmp_path_factory.mktemp("server"), life_s=LIFE_S) as running:
        yield running


def a_person(subject: str, sign_ins: int = 1) -> Person:
    """Return a person who signs in at most so often; our pages ask for consent to all scopes together."""
    return Person(email_of(subject), [()] * sign_ins)


async def grants(google: Deployment) -> list[dict[str, Any]]:
    """Return what people have allowed clients so far."""
    return list(json.loads(await google.operator("grant list --tenant default --json")))


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_client_signs_in_once_works_and_renews_its_token(
    row: SignIn, google: Deployment, tmp_path: Path
) -> None:
    before = {grant["id"] for grant in await grants(google)}
    ticket = TICKET | {"summary": f"Signed in with Google and {row}"}

    async with asyncio.timeout(TALK_S), row.connect(f"{google.address}{row.path}", a_person(MARY), tmp_path) as call:
        statuses, created = await call("get_statuses", {}), await call("create_ticket", ticket)
        await asyncio.sleep(LIFE_S)  # until its token has expired
        again = await call("get_statuses", {})

    assert "stat1" in statuses[0]
    assert "Created ticket TCK-" in created[0]
    assert "stat1" in again[0]
    (grant,) = [grant for grant in await grants(google) if grant["id"] not in before]
    assert grant["resource"] == f"{google.address}{row.path}"


@pytest.mark.parametrize("wire", WIRES)
async def test_claude_code_signs_in_and_connects(wire: Wire, google: Deployment, tmp_path: Path) -> None:
    for arguments, shown in [
        (("add", "--transport", wire, "tickets", f"{google.address}{PATHS[wire]}"), "Added"),
        (("list",), "Needs authentication"),
        (("login", "tickets"), 'Authenticated with "tickets"'),
        (("list",), "Connected"),
    ]:
        assert shown in await asyncio.to_thread(claude_code, tmp_path, *arguments, person=a_person(MARY))


async def test_a_person_of_an_admitted_domain_may_what_its_role_may(google: Deployment, tmp_path: Path) -> None:
    row = ROWS[0]
    async with row.connect(f"{google.address}{row.path}", a_person(JOHN), tmp_path) as call:
        statuses, created = await call("get_statuses", {}), await call("create_ticket", TICKET)

    assert "stat1" in statuses[0]
    assert created[1], "the domain was added with the role viewer"


async def test_a_person_who_is_not_invited_gets_no_further_than_the_pages(google: Deployment, tmp_path: Path) -> None:
    row = ROWS[0]
    with pytest.raises(ExceptionGroup) as refused:
        async with row.connect(f"{google.address}{row.path}", a_person(GINA), tmp_path):
            pass

    assert "gina@globex.example" in "".join(reasons(refused.value))


async def test_the_official_suite_finds_the_authorization_server_correct(google: Deployment, tmp_path: Path) -> None:
    found = await official_suite(google.address, a_person(MARY), tmp_path)

    assert found.keys() == {"authorization-server-metadata-endpoint", "authorization-code-grant"}
    for scenario, checks in found.items():
        assert checks, scenario
        assert {check["status"] for check in checks} == {"SUCCESS"}, checks


async def test_mcp_authlab_passes_every_check_but_that_loopback_has_no_tls(google: Deployment, tmp_path: Path) -> None:
    report = await authlab(google.address, a_person(MARY, sign_ins=4), tmp_path)

    coverage, results = report["coverage"], report["results"]
    assert (coverage["ran"], coverage["applicable"], coverage["critical_not_run"]) == (33, 33, [])
    assert [one for one in results if one["status"] != "pass" and one["id"] != "TLS-01"] == []
    assert {one["id"]: one["status"] for one in results}["TLS-01"] == "warn"


async def test_a_removed_person_is_signed_out_and_does_not_get_in_again(google: Deployment, tmp_path: Path) -> None:
    row = ROWS[0]
    remove, *_ = (command.replace(email_of(MARY), email_of(PAT)) for command in LEAVING.commands())
    await google.operator(f"invite {email_of(PAT)} --tenant default --role viewer")
    served = []

    async def work() -> None:
        async with row.connect(f"{google.address}{row.path}", a_person(PAT, sign_ins=2), tmp_path) as call:
            served.append(await call("get_statuses", {}))
            await google.operator(f"{remove} --yes")
            await asyncio.sleep(LIFE_S)  # until its token has expired: it is not renewed
            served.append(await call("get_statuses", {}))

    with pytest.raises(ExceptionGroup) as refused:
        await work()

    assert ["stat1" in text for text, _ in served] == [True]
    assert "pat@acme.example" in "".join(reasons(refused.value)), "the page of the second sign-in"
