"""The ticket tools: the same behaviour over any ticket API.

Every id is checked before it is sent, every ticket is read before it is written, and every write is read back: the
existing API loses an acknowledged comment when another user's update named an unknown ticket.
Source: the observed behaviour of the existing API, trap by trap in tests/shared/test_tools_traps.py.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from shared.api_client import APIClient, segment
from shared.errors import InvalidInputError, NotStoredError, OutcomeUnknownError, Problem, TicketServerError
from shared.mcp_tools import inputs
from shared.telemetry import Counter, get_logger
from shared.tickets import results
from shared.tickets.acting_user import ToolCall, acting_user, known_user, named_me
from shared.tickets.changes import FIELDS, added, differing, find_entries
from shared.tickets.dates.ticket_calendar import TicketCalendar
from shared.tickets.features import CLEAR, FeatureReader
from shared.tickets.listing.ticket_list import TicketList
from shared.tickets.master_data import MasterData
from shared.tickets.master_lists import ACCOUNTS, CATEGORY_DETAILS, STATUSES, USERS, ItemT, MasterList
from shared.tickets.master_pages import master_page, with_role
from shared.tickets.models import HistoryEntry, MasterItem, Rows, Ticket, parse_many
from shared.tickets.reading import read_before_write, read_ticket
from shared.tickets.references import REFERENCES, Checked, check, cut_problems, resolve, with_choices
from shared.tickets.results import (
    MAX_CELL,
    MAX_COMMENT,
    cut,
    shortened,
    shortened_entry,
    shortened_history,
    shortened_ticket,
)
from shared.tickets.statuses import marked
from shared.tickets.ticket_ids import read_named
from shared.tickets.ticket_pages import TicketPages
from shared.tickets.unreadable import left_out_notes, row_notes
from shared.time_zones import utc_now
from shared.upstream.meaning import id_in
from shared.writes.cleared_fields import emptied
from shared.writes.creation import create
from shared.writes.earlier_writes import COMMENT_S, CREATE_S, EarlierComment, EarlierTicket
from shared.writes.notes import (
    attachments_lost,
    author_note,
    cannot_be_empty,
    kept,
    not_verified,
    nothing_to_do,
    proof_of_comment,
    stored_otherwise,
    unsaid,
)
from shared.writes.odd_values import odd_values
from shared.writes.outcome import created_otherwise, read_back, unclear, write_error
from shared.writes.recent_writes import MemoryRecentWrites, RecentWrites
from shared.writes.reception import reception_of
from shared.writes.repeats import Repeats, WriteAttempt, write_of
from shared.writes.updates import Update, store
from shared.writes.verification import SentWrite, changed_since, is_unclear

log = get_logger(__name__)

_ACTING: Final = MappingProxyType({"update_ticket": "updatedById", "add_ticket_history": "userId"})
"""The argument of a tool that names the acting user."""
_NOT_SENT: Final = frozenset({"idempotencyKey", "allowDuplicate", "receptionDateTime"})


class TicketTools:
    """The tools of one ticket API.

    Args:
        api: its client, open.
        completed_status_id: id of the status that means completed; the API does not mark it.
        counter: counts `writes_unconfirmed` by kind: acknowledged but not stored, or outcome unknown.
        recent_writes: recognises repeats; by default only those made through this object.
        zone: zone of dates in arguments and results; by default the one that the API names, or else the machine's.
        ticket_user: the person at this machine, as id, name or e-mail address, where there is only one caller.
        clock: returns the current time, timezone-aware.

    Every tool takes its call; writes record their findings in it, whatever their outcome.

    Every method raises:
        InvalidInputError: the call has problems; the error names all of them.
        InsufficientScopeError: a write names another user as the acting user.
        NotFoundError: there is no such ticket.
        UpstreamError: the API failed; `effect` says what that did to the tickets.
    """

    def __init__(
        self,
        api: APIClient,
        *,
        completed_status_id: str = "stat4",
        counter: Counter | None = None,
        recent_writes: RecentWrites | None = None,
        zone: tzinfo | None = None,
        ticket_user: str = "",
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._api = api
        self._completed = completed_status_id
        self._counter = counter
        self._repeats = Repeats(recent_writes or MemoryRecentWrites())
        self._master = MasterData(api)
        self._features = FeatureReader(api)
        self.calendar = TicketCalendar(
            self._features, self._master, completed=completed_status_id, zone=zone, clock=clock
        )
        self._pages = TicketPages(api, self._features, self._master, self.calendar, completed_id=completed_status_id)
        self._list_of_tickets = TicketList(api, self._master, self._pages, self.calendar, completed=completed_status_id)
        self.ticket_user = ticket_user
        """The person at this machine; it belongs in each call."""

    async def user_of(self, call: ToolCall) -> tuple[MasterItem | None, str]:
        """Do as `known_user`. Never raises."""
        return await known_user(self._master, call)

    async def get_ticket_list(self, query: inputs.TicketListInput, call: ToolCall) -> results.TicketPage:
        """Return one page of tickets."""
        return await self._list_of_tickets.page(query.given(), named=query.named, columns=query.fields, call=call)

    async def get_ticket_detail(self, query: inputs.TicketDetailInput, _: ToolCall) -> results.TicketDetail:
        """Return the ticket with its newest history."""
        ticket, history = await read_named(read_ticket, self._api, query.ticket_id)
        return results.TicketDetail(
            ticket=shortened_ticket(ticket),
            history=shortened_history(history),
            history_total=len(history),
            notes=left_out_notes(history.left_out),
        )

    async def create_ticket(self, new: inputs.CreateTicketInput, call: ToolCall) -> results.TicketCreated:
        """Create a ticket unless an equal call just did, then read it back and compare.

        Attachments are sent too; only reading back shows whether the API stored them.
        """
        checked = await resolve(self._master, new.given(), call)
        if problems := [*checked.problems, *cut_problems(checked.values)]:
            raise InvalidInputError.of(problems)
        body = {name: value for name, value in checked.values.items() if name not in _NOT_SENT}
        reception = reception_of(new, await self.calendar.time())
        body |= reception.body | await self.calendar.completion_day(body, None)
        write = write_of(
            call,
            {"tool": "create_ticket", **body, "receptionDateTime": reception.words},
            key=new.idempotency_key,
            window_s=CREATE_S,
            duplicate=new.allow_duplicate,
        )
        trace = EarlierTicket(self._api, body, received_by=reception.latest)
        created = await self._repeats.once(write, trace, partial(self._create, new, call, checked, body, trace=trace))
        call.ticket_id = created.ticket_id
        return created

    async def _create(
        self,
        new: inputs.CreateTicketInput,
        call: ToolCall,
        checked: Checked,
        body: Mapping[str, Any],
        attempt: WriteAttempt,
        *,
        trace: EarlierTicket,
    ) -> results.TicketCreated:
        try:
            ticket_id, how = await create(self._api, body, trace, idempotency_key=attempt.upstream)
        except OutcomeUnknownError as doubt:
            raise self._counted(doubt) from doubt.__cause__
        call.ticket_id = ticket_id
        attempt.subject = ticket_id
        self._pages.forget()
        ticket, history = await read_back(self._api, ticket_id, said=f"The ticket API acknowledged ticket {ticket_id}")
        notes = [*how, *unsaid(checked.notes, REFERENCES), *attachments_lost(ticket, new)]
        notes += odd_values(body, ticket, await self.calendar.time(), completed=self._completed)
        notes += [*changed_since(history, differing(ticket, body)), *not_verified(ticket, body)]
        if lost := stored_otherwise(ticket, body, history):
            if new.idempotency_key is None:
                raise self._counted(created_otherwise(ticket.id, lost))
            notes.append(f"Not as given, perhaps changed since this key was first used: {'; '.join(lost)}.")
        notes.append(author_note(call))
        return results.TicketCreated(
            ticket_id=ticket.id,
            ticket=shortened_ticket(ticket),
            notes=tuple(notes),
        )

    async def update_ticket(self, change: inputs.UpdateTicketInput, call: ToolCall) -> results.TicketUpdated:
        """Send the values that differ from the ticket as read; report this call's changes apart from others'."""
        before, history = await read_named(read_before_write, self._api, change.ticket_id, writes=True)
        call.ticket_id = before.id
        checked, author = await self._checked(
            change.given(), call, "updatedById", ticket=before, emptied=change.emptied
        )
        empty = emptied(before, change.emptied, can_clear=await self._features.has(CLEAR))
        wanted = differing(before, checked.values)
        wanted |= await self.calendar.completion_day(wanted | dict.fromkeys(change.emptied), before.completion_date)
        notes = (*map(cannot_be_empty, change.cannot_be_empty), *kept(change.kept), *empty.notes)
        if not wanted and not empty.values and change.comment is None:
            raise InvalidInputError(nothing_to_do(before, change, (*checked.notes, *notes)))
        said = {} if change.comment is None else {"comment": change.comment}
        names = {name: item.name for name, item in checked.items.items()}
        update = Update(
            before=before,
            known=history,
            sent=SentWrite(author.id, {**wanted, **empty.values}, change.comment, names),
            given={name: value for name, value in checked.values.items() if name in FIELDS},
            body={**wanted, **empty.body, **said, "updatedById": author.id},
        )
        try:
            stored = await store(self._api, update)
        except (NotStoredError, OutcomeUnknownError) as error:
            raise self._counted(error) from error.__cause__
        finally:
            self._pages.forget()
        odd = odd_values({**said, **wanted}, stored.ticket, await self.calendar.time(), completed=self._completed)
        return results.TicketUpdated(
            ticket_id=before.id,
            recorded_as=shortened(author, MAX_CELL),
            changed=stored.changed,
            comment=change.comment and cut(change.comment, MAX_COMMENT),
            notes=(
                *unsaid(checked.notes, {"updatedById", *(one.field for one in stored.changed)}),
                *notes,
                *stored.notes,
                *odd,
            ),
        )

    async def add_ticket_history(self, new: inputs.AddHistoryInput, call: ToolCall) -> results.CommentAdded:
        """Add a comment unless an equal call just did, then find it in the history.

        An acknowledgement alone is no proof.
        """
        before = await read_named(read_before_write, self._api, new.ticket_id, writes=True)
        ticket, history = before
        call.ticket_id = ticket.id
        checked, author = await self._checked(new.given(), call, "userId")
        trace = EarlierComment(self._api, ticket.id, author, new.comment)
        write = write_of(
            call,
            {"tool": "add_ticket_history", "ticketId": ticket.id, "userId": author.id, "comment": new.comment},
            key=new.idempotency_key,
            window_s=COMMENT_S,
            seen=len(trace.equal(history)),
            duplicate=new.allow_duplicate,
        )
        return await self._repeats.once(write, trace, partial(self._comment, new, checked, before, author))

    async def _comment(
        self,
        new: inputs.AddHistoryInput,
        checked: Checked,
        before: tuple[Ticket, tuple[HistoryEntry, ...]],
        author: MasterItem,
        attempt: WriteAttempt,
    ) -> results.CommentAdded:
        ticket, history = before
        doubt: OutcomeUnknownError | None = None
        response: Any = None
        try:
            response = await self._api.post(
                f"/tickets/{segment(ticket.id)}/history",
                {"userId": author.id, "comment": new.comment},
                idempotency_key=attempt.upstream,
            )
        except OutcomeUnknownError as error:
            doubt = error
        said = str(doubt or "The comment was acknowledged")
        _, entries = await read_back(self._api, ticket.id, said=said)
        # For a repeated idempotency key the API returns the entry of the first request, which is not new.
        named = id_in(response) or (doubt and doubt.named)
        acknowledged = [entry for entry in entries if entry.id == named]
        equal = find_entries([*acknowledged, *added(history, entries)], user_id=author.id, comment=new.comment)
        entry = equal[0] if equal else None
        if entry is None and any(map(is_unclear, added(history, entries))):
            raise self._counted(unclear(ticket.id, "a new entry of the history", said))
        if entry is None:
            raise self._counted(write_error(ticket.id, ["the comment is not in the history"], doubt, partly=False))
        attempt.subject = entry.id
        return results.CommentAdded(
            ticket_id=ticket.id,
            recorded_as=shortened(author, MAX_CELL),
            entry=shortened_entry(entry),
            notes=(
                *unsaid(checked.notes, {"userId"}),
                *proof_of_comment(entry, acknowledged, doubt),
                *odd_values({"comment": new.comment}, ticket, await self.calendar.time(), completed=self._completed),
            ),
        )

    async def get_users(self, query: inputs.UsersInput, call: ToolCall) -> results.MasterPage:
        """Return users; the role is filtered here, because the existing API ignores it. `me` finds the caller."""
        listed = await self._list(USERS)
        if (me := await named_me(self._master, call, query.query)) is not None:
            return master_page(USERS, [user for user in listed if user.id == me.id])
        users, notes = with_role(listed, query.role)
        return master_page(USERS, users, query.selection, [*notes, *row_notes(listed)])

    async def get_accounts(self, query: inputs.AccountsInput, _: ToolCall) -> results.MasterPage:
        """Return accounts."""
        accounts = await self._list(ACCOUNTS)
        return master_page(ACCOUNTS, accounts, query.selection, row_notes(accounts))

    async def get_category_details(self, query: inputs.CategoryDetailsInput, call: ToolCall) -> results.MasterPage:
        """Return the details of one category or of all."""
        checked = await check(self._master, query.given(), call)
        details = await self._list(CATEGORY_DETAILS)
        category = checked.values.get("categoryId")
        items = [one for one in details if category is None or one.category_id == category]
        return master_page(CATEGORY_DETAILS, items, query.selection, [*checked.notes, *row_notes(details)])

    async def get_master_list(
        self, _: inputs.ToolInput, __: ToolCall, *, source: MasterList[Any]
    ) -> results.MasterPage:
        """Return a complete list of master data."""
        items = await self._list(source)
        return master_page(source, items, notes=row_notes(items))

    async def get_statuses(self, _: inputs.ToolInput, __: ToolCall) -> results.MasterPage:
        """Return all statuses, and which of them mean completed."""
        read = await self._list(STATUSES)
        return master_page(STATUSES, marked(read, self._completed), notes=row_notes(read))

    async def all_problems(
        self, tool: str, arguments: Mapping[str, Any], call: ToolCall, wrong: Sequence[Problem]
    ) -> list[Problem]:
        """Return all problems of a call whose form is invalid, as far as they can be determined.

        Args:
            tool: name of the tool.
            arguments: the arguments as received.
            call: the call.
            wrong: the problems already found.
        """
        fields = {problem.field.partition(".")[0] for problem in wrong}
        values: dict[str, Any] = {
            name: one for name, one in arguments.items() if isinstance(one, str) and name not in fields
        }
        if tool == "get_ticket_list" and "statusId" in values:
            values["statusId"] = (values["statusId"],)
        acting = _ACTING.get(tool)
        further: Sequence[Problem] = ()
        try:
            wrong = await with_choices(self._master, wrong)
            is_update = tool == "update_ticket" and "ticketId" in values
            ticket = (await read_named(read_ticket, self._api, values["ticketId"]))[0] if is_update else None
            if acting is not None and acting not in fields:
                await self._checked(values, call, acting, ticket=ticket)
            else:
                await check(self._master, values, call, is_write=tool == "create_ticket", ticket=ticket)
        except InvalidInputError as error:
            further = error.problems
        except TicketServerError as error:
            log.info("references_not_checked", outcome=error.kind)
        return [*wrong, *further]

    async def _checked(
        self,
        values: Mapping[str, Any],
        call: ToolCall,
        acting: str,
        *,
        ticket: Ticket | None = None,
        emptied: Sequence[str] = (),
    ) -> tuple[Checked, MasterItem]:
        """Return the values of a write with every reference resolved, and its acting user.

        Raises:
            InvalidInputError: it names all problems at once.
        """
        checked = await resolve(self._master, values, call, ticket=ticket)
        problems = [*checked.problems, *cut_problems(checked.values, ticket)]
        problems += [Problem(name, "is given a value and is also to be cleared") for name in emptied if name in values]
        author: MasterItem | None = None
        if all(problem.field != acting for problem in problems):
            try:
                author = await acting_user(self._master, call, acting, checked.items.get(acting))
            except InvalidInputError as error:
                problems += error.problems
        if problems or author is None:
            raise InvalidInputError.of(problems)
        return checked, author

    async def _list(self, source: MasterList[ItemT]) -> Rows[ItemT]:
        return parse_many(source.item, await self._api.get(source.path))

    def _counted(self, error: TicketServerError) -> TicketServerError:
        if self._counter is not None:
            self._counter.count("writes_unconfirmed", kind=error.kind)
        return error
