"""Shows prompts and resource templates in the language of the call: people read their titles in menus."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult

from shared.mcp_prompts.catalog import PROMPTS
from shared.mcp_resources.catalog import TEMPLATES

_PROMPTS: Final = MappingProxyType({spec.name: spec for spec in PROMPTS})
_TEMPLATES: Final = MappingProxyType({spec.uri_template: spec for spec in TEMPLATES})


async def localized_lists(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware: puts titles and descriptions of prompts and templates into the language of the call."""
    result = await call_next(ctx)
    if not isinstance(result, dict):
        return result
    match ctx.method:
        case "prompts/list":
            return {**result, "prompts": [_prompt(one) for one in result["prompts"]]}
        case "prompts/get":
            spec = _PROMPTS.get((ctx.params or {}).get("name", ""))
            return result if spec is None else {**result, "description": spec.description()}
        case "resources/templates/list":
            return {**result, "resourceTemplates": [_template(one) for one in result["resourceTemplates"]]}
    return result


def _prompt(listed: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = _PROMPTS.get(listed["name"])
    if spec is None:
        return listed
    arguments = [
        {**argument, "description": field.description()}
        for argument, field in zip(listed["arguments"], spec.fields, strict=True)
    ]
    return {**listed, "title": spec.title(), "description": spec.description(), "arguments": arguments}


def _template(listed: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = _TEMPLATES.get(listed["uriTemplate"])
    return listed if spec is None else {**listed, "title": spec.title(), "description": spec.description()}
