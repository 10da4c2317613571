"""Tools of the suite that send requests to the client during a call, as revisions with a handshake do.

The requests belong to the call, so they are sent on its stream. The equivalent in 2026-07-28 is in rounds.py.
"""

from typing import Any, Final, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp_types import SamplingMessage, TextContent
from pydantic import BaseModel, Field

ENUMS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {
            "type": "string",
            "oneOf": [
                {"const": "value1", "title": "First Option"},
                {"const": "value2", "title": "Second Option"},
                {"const": "value3", "title": "Third Option"},
            ],
        },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
        "titledMulti": {
            "type": "array",
            "items": {
                "anyOf": [
                    {"const": "value1", "title": "First Choice"},
                    {"const": "value2", "title": "Second Choice"},
                    {"const": "value3", "title": "Third Choice"},
                ]
            },
        },
    },
}
"""Every kind of choice in a form (SEP-1330)."""


class Reply(BaseModel):
    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class Defaults(BaseModel):
    """A form with defaults (SEP-1034)."""

    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


def add_asking(server: MCPServer[Any]) -> None:
    """Register the tools."""

    @server.tool()
    async def test_sampling(ctx: Context, prompt: str) -> str:
        """Ask the client's model."""
        question = SamplingMessage(role="user", content=TextContent(text=prompt))
        response = await ctx.session.create_message([question], max_tokens=100, related_request_id=ctx.request_id)
        return f"LLM response: {response.content}"

    @server.tool()
    async def test_elicitation(ctx: Context, message: str) -> str:
        """Ask the user of the client."""
        response = await ctx.elicit(message, Reply)
        return f"User response: {response.model_dump_json()}"

    @server.tool()
    async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
        """Ask with a form that has defaults."""
        response = await ctx.elicit("Please check what is known of you", Defaults)
        return f"Elicitation completed: {response.model_dump_json()}"

    @server.tool()
    async def test_elicitation_sep1330_enums(ctx: Context) -> str:
        """Ask with a form of choices."""
        response = await ctx.session.elicit_form("Please choose", ENUMS, related_request_id=ctx.request_id)
        return f"Elicitation completed: {response.model_dump_json()}"
