"""Settings of the STDIO server."""

from typing import Literal

from pydantic import AliasChoices, Field

from shared.config.common import ToolSettings
from shared.environment import Address, Key


class StdioSettings(ToolSettings):
    """The STDIO server. Also reads `API_BASE_URL` and `API_KEY` without prefix, as today's script does."""

    api_base_url: Address | Literal["embedded"] = Field(
        default="embedded", validation_alias=AliasChoices("MCP_API_BASE_URL", "API_BASE_URL")
    )
    api_key: Key | None = Field(default=None, validation_alias=AliasChoices("MCP_API_KEY", "API_KEY"))
