"""Completes the arguments of prompts and the variables of resource templates, in the tickets of the caller's tenant."""

import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final

import anyio
from mcp.server import MCPServer, ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from shared.client_habits import ClientHabits
from shared.errors import InvalidInputError, TicketServerError, UpstreamUnavailableError
from shared.localization import localized
from shared.markdown import one_line
from shared.mcp_prompts.arguments import Source, TicketIds, ticket_id
from shared.mcp_prompts.catalog import PROMPTS
from shared.mcp_resources.catalog import KINDS, TEMPLATES, TICKET
from shared.mcp_tools.arguments.habits import Reading
from shared.mcp_tools.call_log import CallLog, ReadKind, call_of
from shared.mcp_tools.cleaning import Cleaning
from shared.mcp_tools.protocol_error import protocol_error
from shared.mcp_tools.tenant_tools import ToolsProvider
from shared.tickets.acting_user import ToolCall
from shared.tickets.choices import NO_CHOICES, Choices, TicketChoice
from shared.tickets.folding import fold
from shared.tickets.master_lists import MasterList
from shared.visible_text import is_whole

WAIT_S: Final = 5.0
"""How long a completion waits for the ticket API, in seconds: a person is typing."""
_LONGEST_SUMMARY: Final = 60
Reference = PromptReference | ResourceTemplateReference

_asking: ContextVar[ServerRequestContext[Any, Any]] = ContextVar("asking")
"""The request that is completed: the SDK does not pass it to the handler."""


class Completions:
    """The completion of a server, and the middleware that gives it the caller.

    Args:
        tools_provider: provides the tools, and so the data, of each caller's tenant.
        call_log: records each completion.
        habits: what is served of clients that bend the protocol.
    """

    def __init__(self, tools_provider: ToolsProvider, call_log: CallLog, habits: ClientHabits) -> None:
        self._tools_provider = tools_provider
        self._call_log = call_log
        self._habits = habits

    def add_to(self, server: MCPServer[Any]) -> None:
        """Serve `completion/complete` on `server`."""
        server.completion()(self.complete)  # type: ignore[no-untyped-call]  # the SDK's decorator has no annotations

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Serve one `completion/complete`."""
        before = _asking.set(ctx)
        try:
            return await call_next(ctx)
        finally:
            _asking.reset(before)

    async def complete(self, ref: Reference, argument: CompletionArgument, _: CompletionContext | None) -> Completion:
        """Return at most 100 values for one argument, best first. Raises: MCPError."""
        started, call = time.monotonic(), call_of(_asking.get(), None)
        name, sources = _of(ref)
        outcome = "cancelled"
        try:
            choices = await self._choices(_source(argument.name, sources), argument.value, call)
            outcome = "ok"
        except TicketServerError as error:
            outcome = error.kind
            raise protocol_error(error) from None
        except Exception:
            outcome = TicketServerError.kind
            raise  # the SDK logs it
        finally:
            await self._call_log.record_read(ReadKind.COMPLETION, name, call, outcome, started=started)
        values = [_shown(one, is_variable=isinstance(ref, ResourceTemplateReference)) for one in choices.values]
        return Completion(values=Cleaning().of(values), total=choices.total, has_more=choices.has_more)

    async def _choices(self, source: Source, typed: str, call: ToolCall) -> Choices:
        """Return the choices for what was typed. Raises: TicketServerError."""
        if isinstance(source, Sequence):
            begins = fold(typed)
            words = [one for one in source if fold(one).startswith(begins)]
            return Choices(words, len(words), has_more=False)
        if not is_whole(typed):  # no id and no name has such characters, and no request can carry them
            return NO_CHOICES
        try:
            with anyio.fail_after(WAIT_S):
                async with self._tools_provider.acquire(call.principal) as tools:
                    call.ticket_user = tools.ticket_user
                    if isinstance(source, MasterList):
                        return await tools.choices.items(source, typed)
                    return await tools.choices.tickets(ticket_id(typed), Reading(self._habits), call)
        except InvalidInputError:  # what is typed so far cannot be searched for
            return NO_CHOICES
        except TimeoutError:
            late = localized("The ticket API did not answer within {seconds} s.", seconds=f"{WAIT_S:g}")
            raise UpstreamUnavailableError(late) from None


def _of(ref: Reference) -> tuple[str, Mapping[str, Source]]:
    """Return the name of what is referred to, and the source of each of its arguments. Raises: MCPError."""
    if isinstance(ref, PromptReference):
        prompt = next((one for one in PROMPTS if one.name == ref.name), None)
        if prompt is not None:
            return prompt.name, {field.name: field.source for field in prompt.fields}
        raise MCPError(INVALID_PARAMS, f"Unknown prompt: {ref.name[:64]!r}")
    template = next((one for one in TEMPLATES if one.uri_template == ref.uri), None)
    if template is not None:
        return template.uri_template, {template.variable: TicketIds if template is TICKET else tuple(KINDS)}
    raise MCPError(INVALID_PARAMS, f"Unknown resource template: {ref.uri[:64]!r}")


def _source(argument: str, sources: Mapping[str, Source]) -> Source:
    if argument not in sources:
        raise MCPError(INVALID_PARAMS, f"Unknown argument: {argument[:64]!r}. There are: {', '.join(sources)}.")
    return sources[argument]


def _shown(choice: str | TicketChoice, *, is_variable: bool) -> str:
    """Return a value as it is offered: of a ticket the id, and for people also its summary."""
    if isinstance(choice, str):
        return choice
    summary = one_line(choice.summary)[:_LONGEST_SUMMARY]
    return f"{choice.id} ({summary})" if summary and not is_variable else choice.id
