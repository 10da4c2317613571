"""One prompt, from the SDK to its text: the boundary where wrong values become JSON-RPC errors."""

import time
from contextlib import nullcontext
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.prompts.base import Message, PromptArgument, UserMessage
from pydantic import PrivateAttr

from shared.errors import InvalidInputError
from shared.identity import Scope
from shared.localization import in_language
from shared.mcp_prompts.arguments import LANGUAGE, language_of, read_values
from shared.mcp_prompts.catalog import PromptSpec
from shared.mcp_tools.call_log import CallLog, ReadKind, call_of
from shared.mcp_tools.protocol_error import protocol_error


class TicketPrompt(Prompt):
    """An SDK prompt that reads its own arguments, so that all problems with them are reported at once."""

    _spec: PromptSpec = PrivateAttr()
    _call_log: CallLog = PrivateAttr()
    _read_only: bool = PrivateAttr()

    @classmethod
    def of(cls, spec: PromptSpec, call_log: CallLog, *, read_only: bool) -> "TicketPrompt":
        """Return the prompt that `spec` describes; on a server that is `read_only` no text asks for writes."""
        prompt = cls(
            name=spec.name,
            title=spec.title(),
            description=spec.description(),
            arguments=[
                PromptArgument(name=one.name, description=one.description(), required=one.is_required)
                for one in spec.fields
            ],
            fn=spec.text,  # the SDK requires a function; `render` is what runs
        )
        prompt._spec, prompt._call_log, prompt._read_only = spec, call_log, read_only
        return prompt

    async def render(self, arguments: dict[str, Any] | None, context: Context[Any, Any]) -> list[Message]:
        """Return the prompt as one message of the user. Raises: MCPError: a value is missing or wrong."""
        started = time.monotonic()
        call = call_of(context.request_context, arguments)
        may_write = not self._read_only and (call.principal is None or Scope.TICKETS_WRITE in call.principal.scopes)
        outcome = InvalidInputError.kind
        try:
            values = read_values(self._spec.fields, arguments or {})
            language = values.pop(LANGUAGE, None)
            with in_language(language_of(language)) if language else nullcontext():
                text = self._spec.text(values, may_write=may_write)
            outcome = "ok"
        except InvalidInputError as error:
            raise protocol_error(error) from None
        finally:
            await self._call_log.record_read(ReadKind.PROMPT, self.name, call, outcome, started=started)
        return [UserMessage(text)]
