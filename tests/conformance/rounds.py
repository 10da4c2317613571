"""Tools and a prompt of the suite that need input, in the way of 2026-07-28: round by round (SEP-2322).

A script is a table of the requests in each round. Earlier responses travel in the request state, which the SDK seals,
so each round may reach another instance. Only requests that the client supports are sent.
"""

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp_types import (
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequests,
    InputRequiredResult,
    InputResponse,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)


def form(message: str, field: str, kind: str = "string") -> ElicitRequest:
    """Return a form with one required field."""
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(text: str, max_tokens: int) -> CreateMessageRequest:
    """Return a request to the client's model."""
    question = SamplingMessage(role="user", content=TextContent(text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[question], max_tokens=max_tokens))


ROOTS: Final = ListRootsRequest()
NAME: Final = form("What is your name?", "name")


@dataclass(frozen=True)
class Script:
    """The requests of each round, and the first word of the result."""

    rounds: tuple[InputRequests, ...]
    says: str = "answered"
    sealed: bool = True
    """Whether there is a request state; without one, one round must get all responses."""


TOOLS: Final = {
    "elicitation": Script(({"user_name": NAME},), sealed=False),
    "sampling": Script(({"capital_question": sample("What is the capital of France?", 100)},), sealed=False),
    "list_roots": Script(({"client_roots": ROOTS},), sealed=False),
    "request_state": Script(({"confirm": form("Please confirm", "ok", "boolean")},), says="state-ok"),
    "tampered_state": Script(({"confirm": form("Please confirm", "ok", "boolean")},)),
    "multiple_inputs": Script(
        ({"user_name": NAME, "greeting": sample("Generate a greeting", 50), "client_roots": ROOTS},)
    ),
    "multi_round": Script(
        (
            {"step1": form("Step 1: What is your name?", "name")},
            {"step2": form("Step 2: What is your favorite color?", "color")},
        )
    ),
    "capabilities": Script(({"user_name": NAME, "greeting": sample("Generate a greeting", 50)},)),
}
PROMPT: Final = Script(({"user_context": form("What context should the prompt use?", "context")},), sealed=False)


def _can_respond(client: ClientCapabilities | None, request: InputRequest) -> bool:
    declared = {
        "elicitation/create": client and client.elicitation,
        "sampling/createMessage": client and client.sampling,
        "roots/list": client and client.roots,
    }
    return declared[request.method] is not None


def _response_to(request: InputRequest, response: InputResponse | None) -> Any:
    """Return the response in a form that JSON can hold; None if it does not fit the request."""
    match request, response:
        case ElicitRequest(), ElicitResult(action="accept", content=content):
            return content
        case CreateMessageRequest(), CreateMessageResult(content=TextContent(text=text)):
            return text
        case ListRootsRequest(), ListRootsResult(roots=roots):
            return [str(root.uri) for root in roots]
    return None


def advance(script: Script, ctx: Context) -> str | InputRequiredResult:
    """Record the responses, and send what is missing in the first round that is not complete."""
    known = json.loads(ctx.request_state or "{}")
    takes_responses = ctx.request_state is not None or not script.sealed
    for requests in script.rounds:
        missing: InputRequests = {}
        for key, request in requests.items():
            if key in known or not _can_respond(ctx.client_capabilities, request):
                continue
            response = _response_to(request, (ctx.input_responses or {}).get(key)) if takes_responses else None
            if response is None:
                missing[key] = request
            else:
                known[key] = response
        if missing:
            state = json.dumps(known) if script.sealed else None
            return InputRequiredResult(input_requests=missing, request_state=state)
    return f"{script.says}: {json.dumps(known)}"


def _playing(script: Script) -> Callable[[Context], Coroutine[Any, Any, str | InputRequiredResult]]:
    async def play(ctx: Context) -> str | InputRequiredResult:
        return advance(script, ctx)

    return play


def add_rounds(server: MCPServer[Any]) -> None:
    """Register them."""
    for name, script in TOOLS.items():
        tool = f"test_input_required_result_{name}"
        server.add_tool(_playing(script), tool, description="Ask for input before answering.", structured_output=False)
    server.prompt("test_input_required_result_prompt", description="A prompt that needs input.")(_playing(PROMPT))
