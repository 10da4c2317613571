"""Says once, in the first result of a STDIO server, whose tickets these are: it may have started on sample data."""

from collections.abc import Callable
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult


class FirstResult:
    """Middleware: adds a sentence to the first result of a tool, in both of its forms; an error is no such result.

    Args:
        sentence: returns it in the language of the call.
    """

    def __init__(self, sentence: Callable[[], str]) -> None:
        self._sentence = sentence
        self._is_said = False

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Pass every other response on unchanged."""
        result = await call_next(ctx)
        if ctx.method != "tools/call" or self._is_said or not isinstance(result, dict) or result.get("isError"):
            return result
        self._is_said = True
        sentence = self._sentence()
        first, *others = result["content"]
        structured = result["structuredContent"]
        return {
            **result,
            "content": [{**first, "text": f"{first['text']}\n\n{sentence}"}, *others],
            "structuredContent": {**structured, "notes": [*structured.get("notes", ()), sentence]},
        }
