"""Tools of the suite that return every kind of content: text, images, audio, resources, errors, progress, logs.

Names, texts and pauses are those in the descriptions of the suite's scenarios. The first tool must be callable without
arguments: `http-header-validation` calls the first one listed.
"""

import asyncio
from base64 import b64decode
from typing import Annotated, Any, Final

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import AudioContent, ContentBlock, EmbeddedResource, ImageContent, TextContent, TextResourceContents
from pydantic import Field

PNG: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="  # one grey pixel
)
WAV: Final = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA=="  # one silent sample
PNG_BYTES: Final = b64decode(PNG)
STEP_S: Final = 0.05
"""The suite checks that what is sent during a call arrives during the call."""
IMAGE: Final = ImageContent(data=PNG, mime_type="image/png")

SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
"""Must be listed unchanged (SEP-1613, SEP-2106)."""


def embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    """Return a resource embedded in a result."""
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def add_content(server: MCPServer[Any]) -> None:
    """Register the tools that only return content, except `first_tools`."""

    @server.tool(structured_output=False)
    async def test_image_content() -> list[ContentBlock]:
        """Return an image."""
        return [IMAGE]

    @server.tool(structured_output=False)
    async def test_audio_content() -> list[ContentBlock]:
        """Return audio."""
        return [AudioContent(data=WAV, mime_type="audio/wav")]

    @server.tool(structured_output=False)
    async def test_embedded_resource() -> list[ContentBlock]:
        """Return a resource."""
        return [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]

    @server.tool(structured_output=False)
    async def test_multiple_content_types() -> list[ContentBlock]:
        """Return text, an image and a resource."""
        data = embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
        return [TextContent(text="Multiple content types test:"), IMAGE, data]

    @server.tool()
    async def test_error_handling() -> str:
        """Fail."""
        raise ToolError("This tool intentionally returns an error for testing")

    @server.tool()
    async def test_x_mcp_header(
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "",
    ) -> str:
        """Return the region, which clients repeat in the header `Mcp-Param-Region`."""
        return region


def add_running_commentary(server: MCPServer[Any]) -> None:
    """Register the tools that send notifications while they run."""

    @server.tool()
    async def test_tool_with_progress(ctx: Context) -> str:
        """Report progress in three steps."""
        for progress in (0, 50, 100):
            await ctx.report_progress(progress, 100)
            await asyncio.sleep(STEP_S)
        return "Tool with progress completed."

    @server.tool()
    async def test_tool_with_logging(ctx: Context) -> str:
        """Log three messages."""
        for said in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.log("info", said)
            await asyncio.sleep(STEP_S)
        return "Tool with logging completed."

    @server.tool()
    async def test_logging_tool(ctx: Context) -> str:
        """Log one message, which only clients that asked for logs may receive."""
        await ctx.log("info", "A message for clients that asked for logs")
        return "Logged."


async def test_simple_text() -> str:
    """Return a text."""
    return "This is a simple text response for testing."


async def json_schema_2020_12_tool(phone: str = "", email: str = "") -> str:
    """Accept arguments with a schema that no signature could express."""
    return f"{phone} {email}"


def first_tools() -> list[Tool]:
    """Return the tools to be listed first, and the one that cannot be registered like the others."""
    text = Tool.from_function(test_simple_text)
    return [text, Tool.from_function(json_schema_2020_12_tool).model_copy(update={"parameters": SCHEMA})]
