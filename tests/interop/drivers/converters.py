"""Converters of tool schemas for model APIs, run over a list of tools: no model, no connection.

Reads the result of `tools/list` from stdin, and writes to stdout what each converter made of each tool: its parameters
as JSON Schema, or the error.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, Final, cast

import anthropic
from agents.mcp import MCPServerStreamableHttp, MCPUtil
from anthropic.lib.tools.mcp import async_mcp_tool
from google.genai import _mcp_utils
from mcp import ClientSession
from mcp.types import ListToolsResult, Tool

Schema = dict[str, Any]
_SERVER: Final = MCPServerStreamableHttp(params={"url": "http://unused.invalid"})
_SESSION: Final = cast("ClientSession", None)  # only calls use it


def gemini(tool: Tool) -> Schema:
    (declared,) = _mcp_utils.mcp_to_gemini_tool(tool).function_declarations
    return dict(declared.parameters.model_dump(mode="json", by_alias=True, exclude_none=True))


def openai(tool: Tool) -> Schema:
    return dict(MCPUtil.to_function_tool(tool, _SERVER, convert_schemas_to_strict=False).params_json_schema)


def openai_strict(tool: Tool) -> Schema:
    """Convert to a strict schema, or fail where the library would quietly use the other kind."""
    converted = MCPUtil.to_function_tool(tool, _SERVER, convert_schemas_to_strict=True)
    if not converted.strict_json_schema:
        raise ValueError("not strict")
    return dict(converted.params_json_schema)


def claude(tool: Tool) -> Schema:
    return dict(async_mcp_tool(tool, _SESSION).to_dict()["input_schema"])


def claude_strict(tool: Tool) -> Schema:
    return dict(anthropic.transform_schema(async_mcp_tool(tool, _SESSION, strict=True).to_dict()["input_schema"]))


CONVERTERS: Final[tuple[Callable[[Tool], Schema], ...]] = (gemini, openai, openai_strict, claude, claude_strict)


def outcome(convert: Callable[[Tool], Schema], tool: Tool) -> Schema | str:
    try:
        return convert(tool)
    except Exception as error:  # noqa: BLE001 - whatever a converter raises is reported
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    tools = ListToolsResult.model_validate(json.load(sys.stdin)).tools
    json.dump({one.__name__: {tool.name: outcome(one, tool) for tool in tools} for one in CONVERTERS}, sys.stdout)
