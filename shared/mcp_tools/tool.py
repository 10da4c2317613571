"""One tool call, from its arguments to its result and back: the boundary where errors become results."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from mcp.server import ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import PrivateAttr

from shared.client_habits import ClientHabits
from shared.errors import Effect, InvalidInputError, TicketServerError
from shared.identity import InsufficientScopeError
from shared.localization import localized
from shared.mcp_tools import render
from shared.mcp_tools.arguments.habits import Reading
from shared.mcp_tools.arguments.right_arguments import call_again, in_code
from shared.mcp_tools.call_log import CallLog, CallSteps, call_of
from shared.mcp_tools.catalog import ToolSpec
from shared.mcp_tools.cleaning import cleaned
from shared.mcp_tools.schema import read_arguments, refuse_excess, schema_of, under_right_names
from shared.mcp_tools.tenant_tools import ToolsProvider
from shared.telemetry import get_logger
from shared.tickets.acting_user import ToolCall
from shared.tickets.dates.dated import dated
from shared.tickets.unreadable import unreadable_notes
from shared.tools import TicketTools
from shared.upstream.waiting import Waiting
from shared.visible_text import visible

log = get_logger(__name__)


class ToolResult(NamedTuple):
    """What a call returns, in both of its forms."""

    text: str
    structured: dict[str, Any]
    """The same as JSON, for programs."""
    is_error: bool = False


class TicketTool:
    """A tool that parses its arguments itself, so that a call reports all its problems at once.

    Args:
        spec: describes it.
        tools_provider: provides the tools of each caller's tenant.
        call_log: records its calls.
        habits: what is served of clients that bend the protocol.
    """

    def __init__(self, spec: ToolSpec, tools_provider: ToolsProvider, call_log: CallLog, habits: ClientHabits) -> None:
        self._spec = spec
        self._tools_provider = tools_provider
        self._call_log = call_log
        self._habits = habits
        self.name = spec.name

    def registered(self) -> Tool:
        """Return it as a tool of the SDK's registry."""
        spec = self._spec
        tool = _RegisteredTool(
            fn=spec.render,  # the SDK requires a function; `run` is what runs
            name=spec.name,
            title=spec.title,
            description=spec.description,
            parameters=schema_of(spec.input_model),
            fn_metadata=FuncMetadata(arg_model=ArgModelBase, output_schema=spec.output_schema),
            is_async=True,
            annotations=ToolAnnotations(
                title=spec.title,
                read_only_hint=spec.read_only,
                destructive_hint=spec.destructive,
                idempotent_hint=spec.read_only,
                open_world_hint=False,
            ),
        )
        tool._tool = self  # noqa: SLF001 - its own
        return tool

    async def run(self, arguments: dict[str, Any], ctx: ServerRequestContext[Any, Any]) -> ToolResult:
        """Run the call of one request and return its result; errors become results with `is_error`."""
        started = time.monotonic()
        reading = Reading(self._habits)
        call = call_of(ctx, arguments)
        if not self._spec.read_only:
            call.steps = CallSteps(self._call_log, self._spec, call, ctx.session.report_progress)
        outcome, lacks, waiting = "cancelled", None, Waiting()
        try:
            if arguments:  # many calls have none
                refuse_excess(arguments)
            async with self._tools_provider.acquire(call.principal) as tools:
                result = await self._call_tool(tools, call, arguments, reading)
            outcome = "ok"
        except TicketServerError as error:
            outcome, result = error.kind, _failed(error, reading.arguments)
            lacks = error.scope if isinstance(error, InsufficientScopeError) else None
        except Exception:
            log.exception("tool_call_fault", tool=self.name)
            outcome, result = TicketServerError.kind, _failed(self._fault(), {})
        finally:
            call.steps = None  # it holds the call: without this cycle large arguments are freed at once
            await self._call_log.record(self._spec, call, outcome, started=started, waiting=waiting, lacks=lacks)
        return result

    async def answer(self, arguments: dict[str, Any], call: ToolCall) -> ToolResult:
        """Return the result of a call that this server makes itself. Raises: TicketServerError."""
        try:
            async with self._tools_provider.acquire(call.principal) as tools:
                return await self._call_tool(tools, call, arguments, Reading(self._habits))
        except TicketServerError:
            raise
        except Exception:
            log.exception("tool_call_fault", tool=self.name)
            raise self._fault() from None

    async def _call_tool(
        self, tools: TicketTools, call: ToolCall, arguments: Mapping[str, Any], reading: Reading
    ) -> ToolResult:
        model = self._spec.input_model
        call.ticket_user = tools.ticket_user
        reading.at = await tools.calendar.time()
        arguments, misnamed = under_right_names(model, reading.straightened(model, arguments))
        given, problems = read_arguments(model, arguments, reading)
        if given is None or misnamed:
            problems = await tools.all_problems(self.name, arguments, call, problems)
            raise InvalidInputError.of([*misnamed, *problems])
        result = await getattr(tools, self.name)(given, call)
        caller, setting_is_wrong = await tools.user_of(call)
        result = dated(result, reading.at, caller, is_named=call.acting_as is not None)
        notes = (*reading.notes, *result.notes, *unreadable_notes(result), *filter(None, [setting_is_wrong]))
        shown = cleaned(result.model_copy(update={"notes": notes}))
        return ToolResult(f"{self._spec.render(shown)}\n\n{render.stamp(shown)}", shown.structured())

    def _fault(self) -> TicketServerError:
        fault = TicketServerError(localized("This server failed; the operator finds the reason in its log."))
        if not self._spec.read_only:
            fault.effect = Effect.UNKNOWN
        return fault


class _RegisteredTool(Tool):
    """A `TicketTool` for the SDK, which keeps pydantic models."""

    _tool: TicketTool = PrivateAttr()

    async def run(
        self,
        arguments: dict[str, Any],
        context: Context[Any, Any],
        convert_result: bool = False,  # noqa: ARG002 - the SDK's signature
    ) -> CallToolResult:
        """Run one call and return its result."""
        text, structured, is_error = await self._tool.run(arguments, context.request_context)
        return CallToolResult(content=[TextContent(text=text)], structured_content=structured, is_error=is_error)


def _failed(error: TicketServerError, arguments: Mapping[str, Any]) -> ToolResult:
    """Return `error` as a result; as JSON it fits every tool's output schema.

    Args:
        error: what happened.
        arguments: those that count; they are repeated where all problems have known corrections.
    """
    sentence = render.sentence(error)
    said: dict[str, Any] = {"kind": error.kind, "effect": str(error.effect), "message": sentence}
    text = render.failure(sentence)
    if isinstance(error, InsufficientScopeError):
        said["scope"] = error.scope.value
    if isinstance(error, InvalidInputError):
        said |= _what_is_wrong(error)
        if again := call_again(arguments, error.problems):
            said["callAgain"] = again
            text += f"\n{in_code(again)}"
    return ToolResult(text, {"error": said}, is_error=True)


def _what_is_wrong(error: InvalidInputError) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if error.field is not None:
        said["field"] = visible(error.field)
    if error.allowed:
        said["allowed"] = list(map(visible, error.allowed))
    if len(error.problems) > 1:
        said["problems"] = [
            {"field": visible(one.field), "text": visible(one.text), "allowed": list(map(visible, one.allowed))}
            for one in error.problems
        ]
    return said
