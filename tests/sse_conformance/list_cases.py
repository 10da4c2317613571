"""Servers whose lists are wrong: the fault of each, the scenario that finds it, and a part of its reason."""

import itertools
from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Any, Final

from tests.sse_conformance.broken_server import Fault, Json
from tests.sse_conformance.faults import Case, error, result, without

TOOLS: Final = "tools-have-a-name-and-a-schema"
OTHERS: Final = "prompts-and-resources-are-described"
UNIQUE: Final = "names-in-a-list-are-unique"
END: Final = "lists-have-an-end"
CURSORS: Final = "invented-cursors-are-refused"
RESOURCE: Final[Json] = {"uri": "docs://one", "name": "one"}
TEMPLATE: Final[Json] = {"uriTemplate": "docs://{one}", "name": "one"}


def member(name: str, change: Callable[[list[Json]], list[Json]]) -> Fault:
    """Change the items of a list in every result that has one of that name."""
    return result(lambda one: {**one, name: change(one[name])} if isinstance(one.get(name), list) else one)


def a_tool(change: Callable[[Json], Json]) -> Fault:
    """Change the last tool."""
    return member("tools", lambda tools: [*tools[:-1], change(tools[-1])])


def schema(**members: Any) -> Fault:
    """Change members of a tool's inputSchema."""
    return a_tool(lambda tool: {**tool, "inputSchema": {**tool["inputSchema"], **members}})


def a_prompt(change: Callable[[Json], Json]) -> Fault:
    """Change every prompt."""
    return member("prompts", lambda prompts: [change(prompt) for prompt in prompts])


def a_resource(resource: Json) -> Fault:
    """List this resource."""
    return member("resources", lambda _: [resource])


def ignore_cursor(sent: Any) -> Any:
    if isinstance(sent, dict) and "cursor" in (sent.get("params") or {}):
        return {**sent, "params": without("cursor")(sent["params"])}
    return sent


def next_cursors(name: str, cursors: Iterable[object], page: Callable[[list[Json], int], list[Json]]) -> Fault:
    """Give each result that lists `name` the next of these cursors, and change its items by its number."""
    left, numbers = iter(cursors), itertools.count()

    def change(one: Json) -> Json:
        if name not in one:
            return one
        return {**one, name: page(one[name], next(numbers)), "nextCursor": next(left)}

    return Fault(asked=ignore_cursor, said=result(change).said)


def endless(name: str, page: Callable[[list[Json], int], list[Json]] = lambda items, _: items) -> Fault:
    """Give every page another cursor."""
    return next_cursors(name, (f"page-{number}" for number in itertools.count()), page)


def same(items: list[Json], _: int) -> list[Json]:
    return items


# fmt: off
LIST_CASES: Final = MappingProxyType({
    "a-tool-has-no-inputSchema": Case(TOOLS, "has no inputSchema",
        a_tool(without("inputSchema"))),
    "an-inputSchema-is-null": Case(TOOLS, "is null, no JSON Schema",
        a_tool(lambda tool: {**tool, "inputSchema": None})),
    "an-inputSchema-is-a-text": Case(TOOLS, "is \"{}\", no JSON Schema",
        a_tool(lambda tool: {**tool, "inputSchema": "{}"})),
    "an-inputSchema-is-of-an-array": Case(TOOLS, "has the type \"array\", not \"object\"",
        schema(type="array")),
    "an-inputSchema-has-no-type": Case(TOOLS, "has the type null, not \"object\"",
        a_tool(lambda tool: {**tool, "inputSchema": without("type")(tool["inputSchema"])})),
    "properties-are-a-list": Case(TOOLS, "no object",
        schema(properties=["gate"])),
    "a-property-is-a-text": Case(TOOLS, "The property 'gate'",
        schema(properties={"gate": "string"})),
    "a-property-has-an-unknown-type": Case(TOOLS, "The property 'gate'",
        schema(properties={"gate": {"type": "text"}})),
    "required-is-a-boolean": Case(TOOLS, "no list of names",
        schema(required=True)),
    "a-tool-has-no-name": Case(TOOLS, "A tool has no name",
        a_tool(without("name"))),
    "a-description-is-a-list": Case(TOOLS, "The description of a tool",
        a_tool(lambda tool: {**tool, "description": ["Say"]})),
    "tools-are-listed-twice": Case(UNIQUE, "more than once",
        member("tools", lambda tools: [*tools, {**tools[0], "description": "Another one."}])),
    "prompts-are-listed-twice": Case(UNIQUE, "prompts/list has",
        member("prompts", lambda prompts: prompts * 2)),
    "resources-are-listed-twice": Case(UNIQUE, "resources/list has",
        member("resources", lambda _: [RESOURCE, {**RESOURCE, "name": "two"}])),
    "a-prompt-has-no-name": Case(OTHERS, "A prompt has no name",
        a_prompt(without("name"))),
    "arguments-of-a-prompt-are-an-object": Case(OTHERS, "no list of objects",
        a_prompt(lambda prompt: {**prompt, "arguments": {"name": {}}})),
    "an-argument-has-no-name": Case(OTHERS, "An argument of the prompt",
        a_prompt(lambda prompt: {**prompt, "arguments": [{"required": True}]})),
    "a-resource-has-no-uri": Case(OTHERS, "A resource has no uri",
        a_resource(without("uri")(RESOURCE))),
    "a-resource-has-no-name": Case(OTHERS, "A resource has no name",
        a_resource(without("name")(RESOURCE))),
    "a-uri-is-a-path": Case(OTHERS, "has no scheme",
        a_resource({**RESOURCE, "uri": "/etc/hosts"})),
    "a-template-has-no-uriTemplate": Case(OTHERS, "A resource template has no uriTemplate",
        member("resourceTemplates", lambda _: [without("uriTemplate")(TEMPLATE)])),
    "a-cursor-leads-to-itself": Case(END, "page 2 has the nextCursor of page 1 again",
        next_cursors("tools", itertools.repeat("more"), same)),
    "two-cursors-lead-to-each-other": Case(END, "page 3 has the nextCursor of page 1 again",
        next_cursors("tools", itertools.cycle(["odd", "even"]), same)),
    "tools-are-listed-for-ever": Case(END, "without anything new",
        endless("tools")),
    "empty-pages-come-for-ever": Case(END, "without anything new",
        endless("tools", lambda items, number: [] if number else items)),
    "tools-are-invented-for-ever": Case(END, "still has a nextCursor",
        endless("tools", lambda items, number: [{**items[0], "name": f"tool-{number}"}])),
    "prompts-are-listed-for-ever": Case(END, "prompts/list has no end",
        endless("prompts")),
    "resources-are-listed-for-ever": Case(END, "resources/list has no end",
        endless("resources")),
    "templates-are-listed-for-ever": Case(END, "resources/templates/list has no end",
        endless("resourceTemplates")),
    "the-last-cursor-is-null": Case(END, "is null, no string",
        next_cursors("tools", itertools.repeat(None), same)),
    "cursors-are-numbers": Case(END, "is 2, no string",
        next_cursors("tools", itertools.count(2), same)),
    "templates-are-no-list": Case(END, "no list of resourceTemplates",
        result(lambda one: {**one, "resourceTemplates": {}} if "resourceTemplates" in one else one)),
    "any-cursor-is-the-first-page": Case(CURSORS, "answered with a result",
        Fault(asked=ignore_cursor)),
    "an-invented-cursor-is-an-internal-error": Case(CURSORS, "error -32603, not error -32602",
        error(code=-32603)),
    "an-invented-cursor-of-prompts-is-the-first-page": Case(CURSORS, "prompts/list with an invented cursor",
        Fault(asked=lambda sent: ignore_cursor(sent) if "prompts" in str(sent) else sent)),
})
# fmt: on
