"""Resources, prompts and completions of the suite."""

import json
from typing import Any

from mcp.server import MCPServer, ServerRequestContext
from mcp.server.mcpserver.prompts.base import Message, UserMessage
from mcp_types import CompleteRequestParams, CompleteResult, Completion

from tests.conformance.content import IMAGE, PNG_BYTES, embedded
from transport.dispatch.sdk_kernel import lowlevel


def add_resources(server: MCPServer[Any]) -> None:
    """Register the resources."""

    @server.resource("test://static-text", mime_type="text/plain", description="A text that never changes.")
    async def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png", description="An image that never changes.")
    async def static_binary() -> bytes:
        return PNG_BYTES

    @server.resource("test://watched-resource", mime_type="text/plain", description="A text to be subscribed to.")
    async def watched_resource() -> str:
        return "Watched resource content."

    @server.resource("test://template/{id}/data", mime_type="application/json", description="Data of any id.")
    async def template_data(id: str) -> str:  # noqa: A002 - the suite's name
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def add_prompts(server: MCPServer[Any]) -> None:
    """Register the prompts, and the completions of their arguments."""

    @server.prompt()
    async def test_simple_prompt() -> str:
        """Return a text."""
        return "This is a simple prompt for testing."

    @server.prompt()
    async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """Repeat two arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt()
    async def test_prompt_with_embedded_resource(resourceUri: str) -> list[Message]:  # noqa: N803 - the suite's spelling
        """Return a resource and a request."""
        resource = embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
        return [UserMessage(resource), UserMessage("Please process the embedded resource above.")]

    @server.prompt()
    async def test_prompt_with_image() -> list[Message]:
        """Return an image and a request."""
        return [UserMessage(IMAGE), UserMessage("Please analyze the image above.")]

    lowlevel(server).add_request_handler("completion/complete", CompleteRequestParams, _complete)


async def _complete(_: ServerRequestContext[Any, Any], params: CompleteRequestParams) -> CompleteResult:
    values = [word for word in ("paris", "park", "party") if word.startswith(params.argument.value)]
    return CompleteResult(completion=Completion(values=values, total=len(values), has_more=False))
