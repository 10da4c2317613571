"""What 2024-11-05 asks of lists: tools, prompts and resources are described, and lists have an end.

Source: modelcontextprotocol.io/specification/2024-11-05/server/tools, …/prompts, …/resources, …/utilities/pagination,
and its schema.ts
"""

import json
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from sse_conformance.client import Client, NotConformingError
from sse_conformance.scenarios.described import prompt_fault, resource_fault, template_fault, tool_fault
from sse_conformance.scenarios.expect import INVALID_PARAMS, declared_lists, error_code
from sse_conformance.scenarios.paging import TEMPLATES, Listed, read_list
from sse_conformance.session import Session, open_session
from sse_conformance.verdict import Level, NotApplicableError, scenario

_PAGINATION: Final = "server/utilities/pagination"
_TIMEOUTS: Final = 3
"""How many times the time of one step a list may take."""
_INVENTED: Final = "conformance: never issued"
_LOOKS: Final = MappingProxyType(
    {
        "prompts/list": prompt_fault,
        "resources/list": resource_fault,
        TEMPLATES: template_fault,
    }
)
_KEYS: Final = MappingProxyType({"tools/list": "name", "prompts/list": "name", "resources/list": "uri"})
"""What identifies an item of a list."""


@scenario(Level.MUST, "server/tools, Data Types")
async def tools_have_a_name_and_a_schema(client: Client) -> None:
    """A tool has a `name` and an `inputSchema`: a JSON Schema of the type "object" that defines its parameters."""
    _, lists = await _lists(client, ["tools/list"])
    _expect_described(lists, {"tools/list": tool_fault})


@scenario(Level.MUST, "server/prompts and server/resources, Data Types")
async def prompts_and_resources_are_described(client: Client) -> None:
    """A prompt has a `name`, a resource a `uri` and a `name`, a resource template a `uriTemplate` and a `name`."""
    _, lists = await _lists(client, _LOOKS)
    _expect_described(lists, _LOOKS)


def _expect_described(lists: Mapping[str, Listed], looks: Mapping[str, Callable[[Mapping[str, Any]], str]]) -> None:
    faults = (looks[method](item) for method, listed in lists.items() for item in listed.items)
    if fault := next(filter(None, faults), ""):
        raise NotConformingError(fault)


@scenario(Level.MUST, "server/tools, server/prompts and server/resources, Data Types")
async def names_in_a_list_are_unique(client: Client) -> None:
    """The `name` of a tool or prompt and the `uri` of a resource are unique identifiers."""
    _, lists = await _lists(client, _KEYS)
    for method, listed in lists.items():
        seen = set()
        for item in listed.items:
            name = json.dumps(item.get(_KEYS[method]))
            if name in seen:
                raise NotConformingError(f"{method} has {name} more than once.")
            seen.add(name)


@scenario(Level.MUST, f"{_PAGINATION}, Response Format")
async def lists_have_an_end(client: Client) -> None:
    """`nextCursor` is a string, the position after the last item, and is there only if more results exist."""
    _, lists = await _lists(client, (*_KEYS, TEMPLATES))
    for listed in lists.values():
        if listed.endless:
            raise NotConformingError(listed.endless)


@scenario(Level.SHOULD, f"{_PAGINATION}, Error Handling")
async def invented_cursors_are_refused(client: Client) -> None:
    """A cursor that the server never issued is invalid, which is error -32602."""
    session, lists = await _lists(client, (*_KEYS, TEMPLATES))
    for method in lists:
        response = await session.request(method, {"cursor": _INVENTED})
        if error_code(response) != INVALID_PARAMS:
            got = f"error {error_code(response)!r}" if "error" in response else "a result"
            raise NotConformingError(f"{method} with an invented cursor was answered with {got}, not error -32602.")


async def _lists(client: Client, wanted: Iterable[str]) -> tuple[Session, dict[str, Listed]]:
    """Read those of the wanted lists that the server has. Raises: NotApplicableError when it has none."""
    session = await open_session(client, None)
    declared = declared_lists(await session.handshake())
    if "resources/list" in declared:
        declared.append(TEMPLATES)
    lists = {
        method: await read_list(session, method, within_s=_TIMEOUTS * client.target.timeout_s)
        for method in wanted
        if method in declared
    }
    found = {method: listed for method, listed in lists.items() if listed is not None}
    if not found:
        raise NotApplicableError("The server declares none of these lists.")
    return session, found
