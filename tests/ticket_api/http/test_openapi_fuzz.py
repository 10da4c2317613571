"""The API against its own OpenAPI document: schemathesis sends requests that it allows and requests that it forbids.

All checks of schemathesis, 50 examples per operation, the same in every run, over HTTP to a real server.
What JSON Schema cannot express (which ids exist, which detail is of which category) is added to a copy of the document.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CheckFunction
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

from shared import failed_attempts
from shared.time_zones import utc_now
from tests.databases import copy_sqlite
from tests.ticket_api.conftest import KEY
from ticket_api import create_app
from ticket_api.administration.kinds import KINDS
from ticket_api.keys import digest_of
from ticket_api.store import tenants
from ticket_api.tenancy import DEFAULT

pytestmark = pytest.mark.long

KNOWN: Final = {
    "requestorId": ["user1", "user6"], "personInChargeId": ["user2"], "updatedById": ["user3"], "userId": ["user4"],
    "accountId": ["acc1", "acc2"], "categoryId": ["cat1"], "categoryDetailId": ["catd1", "catd2"],
    "requestChannelId": ["ch1"], "statusId": ["stat1", "stat4"], "responseCategoryId": ["resp1"],
}  # fmt: skip

ADMIN: Final = f"tapi_{'a' * 43}"
DIFFERENT: Final = {"users", "category-details", "statuses"}
"""Kinds of master data that represent the others, which have the same routes and no fields of their own."""
TICKETS: Final = ["TCK-0001", "TCK-0006", "TCK-9999"]  # two of category cat1, and one that does not exist


FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
"""Headers that, made up, are no request of HTTP: the server refuses them before the API."""

LESS: Final = {
    "/tickets": {"cursor"},  # which must fit the order and forbids an offset
    "/tickets/stats": {"to", "groupBy"},  # ranges run forward, and two groups differ
    "/tickets/changes": {"until"},
    "/tickets/{id}/history": {"until", "before"},  # which must be an entry of the ticket
}
"""Parameters that are left out, as not every value fits the others."""


def narrow(properties: dict[str, Any], name: str, to: dict[str, Any]) -> None:
    """Replace the schema of a property, still allowing null if it did before."""
    if "anyOf" in properties.get(name, {}):
        properties[name]["anyOf"][0] = to
    elif name in properties:
        properties[name] = to


def narrow_moments(operation: dict[str, Any]) -> None:
    """Leave out moments that are on no calendar."""
    for one in operation.get("parameters", ()):
        if one["schema"].get("format") == "date-time":
            one["schema"] = {"type": "string", "pattern": r"^20\d{2}-0[1-9]-1\dT[01]\d:[0-5]\d:[0-5]\dZ$"}


def document() -> dict[str, Any]:
    """Return the API's document, narrowed to the values that are valid for the sample data."""
    app = create_app(database_url="sqlite:///never-opened.sqlite3", api_keys=[KEY])
    whole = app.openapi()
    schemas = whole["components"]["schemas"]
    for body in ("NewTicket", "TicketChange", "NewComment", "NewCategoryDetail", "CategoryDetailFields"):
        for name, ids in KNOWN.items():
            narrow(schemas[body]["properties"], name, {"type": "string", "enum": ids})
    schemas["TicketChange"]["required"].append("comment")  # a request that changes nothing requires one
    schemas["TicketChange"]["properties"]["comment"] = schemas["NewComment"]["properties"]["comment"]
    change = schemas["TicketChange"]["properties"]  # a field is given a value or cleared, never both
    narrow(change, "clear", {"type": "array", "items": {"const": "remarks"}, "uniqueItems": True})
    del change["remarks"], change["actualEffortHours"]  # to which hours are added, or which is set
    narrow(change, "addEffortHours", {"enum": [0.1, 0.5, 2.5, 5]})  # all requests add up
    schemas["TicketImport"]["required"].append("dryRun")  # which reports faulty rows without refusing the request
    schemas["TicketImport"]["properties"]["dryRun"] = {"const": True}
    no_end_of_month = r"^20\d{2}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])[ T]([01]\d|2[0-3]):[0-5]\d$"  # February
    narrow(schemas["NewTicket"]["properties"], "receptionDateTime", {"type": "string", "pattern": no_end_of_month})
    for path, less in LESS.items():
        operation = whole["paths"][path]["get"]
        operation["parameters"] = [one for one in operation["parameters"] if one["name"] not in less]
        for one in operation["parameters"]:
            if one["name"].startswith("receptionDateTime"):
                one["schema"] = {"type": "string", "pattern": no_end_of_month}
    for path, operations in whole["paths"].items():
        narrow_moments(operations.get("get", {}))
        if "{id}" in path:
            for operation in operations.values():
                kind = KINDS.get(path.split("/")[-2])
                ids = TICKETS if kind is None else [f"{kind.prefix}1"]
                operation["parameters"][0]["schema"] = {"type": "string", "enum": ids}
    return whole


def is_alike(context: Any) -> bool:
    """Whether an operation writes master data of a kind that is like another, which stands for it."""
    path, method = context.operation.path, context.operation.method
    return method.lower() != "get" and path.split("/")[3:4] in [[alike] for alike in KINDS.keys() - DIFFERENT]


schema = schemathesis.openapi.from_dict(document()).exclude(is_alike)


@pytest.fixture(scope="module")
def server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API on a free port of this machine, in a thread with an event loop of its own."""
    url = copy_sqlite(sqlite_template, tmp_path_factory.mktemp("fuzz") / "tickets.sqlite3")
    app = create_app(database_url=url, api_keys=[KEY])
    service = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))

    async def serve() -> None:
        async with app.router.lifespan_context(app):
            add_key = partial(tenants.add_key, key_id="a", digest=digest_of(ADMIN), now=utc_now(), may_administer=True)
            await app.state.tenants.write(DEFAULT, add_key)
            await service.serve(sockets=[listener])

    with (
        pytest.MonkeyPatch.context() as patch,
        socket.create_server(("127.0.0.1", 0)) as listener,  # connections wait in its queue until the API has started
    ):
        patch.setattr(failed_attempts, "AT_ONCE", 10_000)  # each operation is also tried with wrong keys
        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        service.should_exit = True
        thread.join(10)


def lacks_key(case: schemathesis.Case[Any]) -> bool:
    """Whether the fault of a request is that it has no key, which the session would add."""
    header = case.meta.components.get(ParameterLocation.HEADER) if case.meta is not None else None
    is_wrong = header is not None and header.mode is GenerationMode.NEGATIVE
    return is_wrong and "x-api-key" not in {name.lower() for name in case.headers or ()}


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["x-api-key"] = ADMIN
        yield session


@schema.parametrize()
@settings(max_examples=50, derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
          suppress_health_check=list(HealthCheck))  # fmt: skip
def test_the_api_keeps_to_its_document(case: schemathesis.Case[Any], server: str, session: requests.Session) -> None:
    # A value that should violate `role` is a valid role once it is in a URL, and PUT adds a row with any id. A change
    # of a ticket needs no comment, which the narrowed document requires.
    is_free_text = case.operation.path in {
        *("/tickets/master/users", "/tickets/{id}"),
        *(f"/tickets/master/{kind}/{{id}}" for kind in KINDS),
    }
    for name in FRAMING & {name.lower() for name in case.headers or ()}:
        del case.headers[name]
    excluded: list[CheckFunction] = [negative_data_rejection] if is_free_text else []
    with requests.Session() as stranger:
        caller = stranger if lacks_key(case) else session
        case.call_and_validate(base_url=server, session=caller, excluded_checks=excluded)
