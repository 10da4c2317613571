"""The ticket tools: what they promise, over any ticket API.

Every id is checked before it is sent, no ticket is written that was not read first, and what was written is read back:
the existing API loses a comment that it acknowledged when somebody else's update named an unknown ticket.
Source: the observed behaviour of the existing API, trap by trap in tests/shared/test_tools_traps.py.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from shared import inputs, results
from shared.acting import Call, acting_user
from shared.aftermath import created_otherwise, judge, perhaps_created, read_back
from shared.api_client import APIClient, segment
from shared.changes import FIELDS, added, differing, find_entries, holds
from shared.checks import Checked, check, cut_problems, resolve
from shared.emptying import emptied
from shared.errors import InvalidInputError, NotStoredError, OutcomeUnknownError, Problem, TicketServerError
from shared.features import CLEAR, TOTAL_ORDER, FeatureReader
from shared.lookup import read_before_write, read_ticket
from shared.master_data import MasterData
from shared.order import Page
from shared.results import (
    MAX_CELL,
    MAX_COMMENT,
    cut,
    shortened,
    shortened_entry,
    shortened_history,
    shortened_items,
    shortened_row,
    shortened_ticket,
)
from shared.telemetry import Counter, get_logger
from shared.tickets import (
    CategoryDetail,
    HistoryEntry,
    MasterItem,
    ResponseCategory,
    ShapeT,
    Ticket,
    TicketRow,
    User,
    parse_many,
)
from shared.updates import Update, store
from shared.verification import Sent, author, changed_since, last_change
from shared.windows import TicketWindows

log = get_logger(__name__)

_NO_AUTHOR: Final = "The ticket system keeps no author of a new ticket"
_PAGING: Final = frozenset({"sortBy", "sortOrder", "limit", "offset"})
_ACTING: Final = MappingProxyType({"update_ticket": "updatedById", "add_ticket_history": "userId"})
"""The argument of a tool that says who acts."""


class TicketTools:
    """The tools of one ticket API.

    Args:
        api: the way to it, open.
        completed_status_id: the status that means completed, where the API does not say so itself.
        counter: counts `writes_unconfirmed` by kind: acknowledged but not stored, or never known.

    Writes take the call that they belong to, and note there what they come to know, whatever becomes of them.

    Every method raises:
        InvalidInputError: something in the call is wrong; all of it is named at once.
        InsufficientScopeError: a write names somebody else as the one who acts.
        NotFoundError: there is no such ticket.
        UpstreamError: the API failed; `effect` says what that did to the tickets.
    """

    def __init__(self, api: APIClient, *, completed_status_id: str = "stat4", counter: Counter | None = None) -> None:
        self._api = api
        self._completed = completed_status_id
        self._counter = counter
        self._master = MasterData(api)
        self._features = FeatureReader(api)
        self._windows = TicketWindows(api)

    async def get_ticket_list(self, query: inputs.TicketListInput) -> results.TicketPage:
        """Return one page: the API's own where it has a total order, else one cut from a window sorted here."""
        checked = await check(self._master, query.given())
        page = await self._page(checked.values, query)
        rows = tuple(shortened_row(row) for row in parse_many(TicketRow, page.rows))
        return results.TicketPage(
            tickets=rows,
            offset=query.offset,
            returned=len(rows),
            has_more=page.has_more,
            next_offset=query.offset + query.limit if page.has_more else None,
            notes=(*checked.notes, *page.notes),
        )

    async def _page(self, values: Mapping[str, Any], query: inputs.TicketListInput) -> Page:
        """Return a page of the API's rows; one row more is asked for, so that `has_more` is known and not guessed."""
        if await self._features.has(TOTAL_ORDER):
            rows = await self._api.get("/tickets", params={**values, "limit": query.limit + 1})
            return Page(rows[: query.limit], len(rows) > query.limit) if isinstance(rows, list) else Page(rows, False)
        filters = {name: value for name, value in values.items() if name not in _PAGING}
        return await self._windows.page(
            filters, sort_by=query.sort_by, sort_order=query.sort_order, limit=query.limit, offset=query.offset
        )

    async def get_ticket_detail(self, query: inputs.TicketDetailInput) -> results.TicketDetail:
        """Return the ticket with its newest history."""
        ticket, history = await read_ticket(self._api, query.ticket_id)
        return results.TicketDetail(
            ticket=shortened_ticket(ticket),
            history=shortened_history(history),
            history_total=len(history),
        )

    async def create_ticket(self, new: inputs.CreateTicketInput, call: Call) -> results.TicketCreated:
        """Create a ticket, read it back and compare. Attachments are tried; whether they are kept shows only then."""
        checked = await resolve(self._master, new.given())
        if problems := [*checked.problems, *cut_problems(checked.values)]:
            raise InvalidInputError.of(problems)
        body = {name: value for name, value in checked.values.items() if name != "idempotencyKey"}
        try:
            ticket_id = _id_of(await self._api.post("/tickets", body, idempotency_key=new.idempotency_key))
        except OutcomeUnknownError as doubt:
            raise self._counted(await perhaps_created(self._api, body, doubt)) from doubt
        if ticket_id is None:
            silent = OutcomeUnknownError("The ticket API did not say what it created.")
            raise self._counted(await perhaps_created(self._api, body, silent))
        call.ticket_id = ticket_id
        self._windows.forget()
        ticket, history = await read_back(self._api, ticket_id, said=f"The ticket API acknowledged ticket {ticket_id}")
        notes = [*checked.notes, *_attachments_lost(ticket, new), *self._missing_date(ticket, body)]
        notes += changed_since(history, differing(ticket, body))
        if lost := _lost(ticket, body, history):
            if new.idempotency_key is None:
                raise self._counted(created_otherwise(ticket.id, lost))
            notes.append(f"Not as given, perhaps changed since this key was first used: {'; '.join(lost)}.")
        notes.append(_author(call))
        return results.TicketCreated(
            ticket_id=ticket.id,
            ticket=shortened_ticket(ticket),
            notes=tuple(notes),
        )

    async def update_ticket(self, change: inputs.UpdateTicketInput, call: Call) -> results.TicketUpdated:
        """Send what differs from the ticket as it was read; say what this change did, and apart what others did."""
        before, history = await read_before_write(self._api, change.ticket_id)
        checked, author = await self._checked(
            change.given(), call, "updatedById", ticket=before, emptied=change.emptied
        )
        empty = emptied(before, change.emptied, can_clear=await self._features.has(CLEAR))
        wanted = differing(before, checked.values)
        notes = (*checked.notes, *map(_cannot_be_empty, change.cannot_be_empty), *empty.notes)
        if not wanted and not empty.values and change.comment is None:
            raise InvalidInputError(_nothing_to_do(before, change, notes))
        said = {} if change.comment is None else {"comment": change.comment}
        names = {name: item.name for name, item in checked.items.items()}
        update = Update(
            before=before,
            known=history,
            sent=Sent(author.id, {**wanted, **empty.values}, change.comment, names),
            given={name: value for name, value in checked.values.items() if name in FIELDS},
            body={**wanted, **empty.body, **said, "updatedById": author.id},
        )
        try:
            stored = await store(self._api, update)
        except (NotStoredError, OutcomeUnknownError) as error:
            raise self._counted(error) from error.__cause__
        finally:
            self._windows.forget()
        return results.TicketUpdated(
            ticket_id=before.id,
            recorded_as=shortened(author, MAX_CELL),
            changed=stored.changed,
            comment=change.comment and cut(change.comment, MAX_COMMENT),
            notes=(*notes, *stored.notes, *self._missing_date(stored.ticket, wanted)),
        )

    async def add_ticket_history(self, new: inputs.AddHistoryInput, call: Call) -> results.CommentAdded:
        """Add a comment and find it in the history; an acknowledgement alone is no proof."""
        ticket, history = await read_before_write(self._api, new.ticket_id)
        checked, author = await self._checked(new.given(), call, "userId")
        doubt: OutcomeUnknownError | None = None
        answer: Any = None
        try:
            answer = await self._api.post(
                f"/tickets/{segment(ticket.id)}/history",
                {"userId": author.id, "comment": new.comment},
                idempotency_key=new.idempotency_key,
            )
        except OutcomeUnknownError as error:
            doubt = error
        _, entries = await read_back(self._api, ticket.id, said=str(doubt or "The comment was acknowledged"))
        # A repeated idempotency key is answered with the entry of the first time, which is not new.
        acknowledged = [entry for entry in entries if entry.id == _id_of(answer)]
        equal = find_entries([*acknowledged, *added(history, entries)], user_id=author.id, comment=new.comment)
        entry = equal[0] if equal else None
        if entry is None:
            raise self._counted(judge(ticket.id, ["the comment is not in the history"], doubt, partly=False))
        return results.CommentAdded(
            ticket_id=ticket.id,
            recorded_as=shortened(author, MAX_CELL),
            entry=shortened_entry(entry),
            notes=(*checked.notes, *_proof(entry, acknowledged, doubt)),
        )

    async def get_users(self, query: inputs.UsersInput) -> results.Users:
        """Return people; the role is filtered here, because the existing API ignores it."""
        users = parse_many(User, await self._api.get("/tickets/master/users"))
        if query.role is not None:
            wanted = query.role.strip().casefold()
            roles = {user.role for user in users if user.role}
            users = tuple(user for user in users if user.role and user.role.casefold() == wanted)
            if not users:
                raise InvalidInputError.of([Problem("role", "nobody has this role", tuple(sorted(roles)[:50]))])
        return results.Users(users=shortened_items(users), total=len(users))

    async def get_accounts(self, _: inputs.AccountsInput) -> results.Accounts:
        """Return customers."""
        items = await self._list(MasterItem, "accounts")
        return results.Accounts(accounts=shortened_items(items), total=len(items))

    async def get_categories(self, _: inputs.CategoriesInput) -> results.Categories:
        """Return categories."""
        items = await self._list(MasterItem, "categories")
        return results.Categories(categories=shortened_items(items), total=len(items))

    async def get_category_details(self, query: inputs.CategoryDetailsInput) -> results.CategoryDetails:
        """Return the details of one category, or of all."""
        checked = await check(self._master, query.given())
        details = await self._list(CategoryDetail, "category-details")
        category = checked.values.get("categoryId")
        items = tuple(one for one in details if category is None or one.category_id == category)
        return results.CategoryDetails(
            category_details=shortened_items(items), total=len(items), notes=tuple(checked.notes)
        )

    async def get_statuses(self, _: inputs.StatusesInput) -> results.Statuses:
        """Return statuses."""
        items = await self._list(MasterItem, "statuses")
        return results.Statuses(statuses=shortened_items(items), total=len(items))

    async def get_request_channels(self, _: inputs.RequestChannelsInput) -> results.RequestChannels:
        """Return the ways in which requests come in."""
        items = await self._list(MasterItem, "request-channels")
        return results.RequestChannels(request_channels=shortened_items(items), total=len(items))

    async def get_response_categories(self, _: inputs.ResponseCategoriesInput) -> results.ResponseCategories:
        """Return kinds of responses."""
        items = await self._list(ResponseCategory, "response-categories")
        return results.ResponseCategories(response_categories=shortened_items(items), total=len(items))

    async def further_problems(
        self, tool: str, arguments: Mapping[str, Any], call: Call, wrong: Sequence[Problem]
    ) -> list[Problem]:
        """Return what else is wrong in a call that is refused for its form, as far as that can be known.

        Args:
            tool: its name.
            arguments: as they came.
            call: whose it is.
            wrong: what is known to be wrong.
        """
        fields = {problem.field.partition(".")[0] for problem in wrong}
        values = {name: one for name, one in arguments.items() if isinstance(one, str) and name not in fields}
        acting = _ACTING.get(tool)
        try:
            is_update = tool == "update_ticket" and "ticketId" in values
            ticket = (await read_ticket(self._api, values["ticketId"]))[0] if is_update else None
            if acting is not None and acting not in fields:
                await self._checked(values, call, acting, ticket=ticket)
            else:
                await check(self._master, values, ticket=ticket)
        except InvalidInputError as error:
            return list(error.problems)
        except TicketServerError as error:
            log.info("references_not_checked", outcome=error.kind)
        return []

    async def _checked(
        self,
        values: Mapping[str, Any],
        call: Call,
        acting: str,
        *,
        ticket: Ticket | None = None,
        emptied: Sequence[str] = (),
    ) -> tuple[Checked, MasterItem]:
        """Return the values of a write with every reference resolved, and as whom it is made.

        Raises:
            InvalidInputError: everything that is wrong, at once.
        """
        checked = await resolve(self._master, values, ticket=ticket)
        problems = [*checked.problems, *cut_problems(checked.values, ticket)]
        problems += [Problem(name, "is given a value and is to be emptied") for name in emptied if name in values]
        author: MasterItem | None = None
        if all(problem.field != acting for problem in problems):
            try:
                author = await acting_user(self._master, call, acting, checked.items.get(acting))
            except InvalidInputError as error:
                problems += error.problems
        if problems or author is None:
            raise InvalidInputError.of(problems)
        return checked, author

    async def _list(self, shape: type[ShapeT], name: str) -> tuple[ShapeT, ...]:
        return parse_many(shape, await self._api.get(f"/tickets/master/{name}"))

    def _missing_date(self, ticket: Ticket, sent: Mapping[str, Any]) -> tuple[str, ...]:
        """Offer the date that the existing API does not set when a ticket is completed."""
        if sent.get("statusId") != self._completed or ticket.completion_date:
            return ()
        return (
            "The ticket is completed but has no completion date; update_ticket(completionDate=YYYY-MM-DD) sets it.",
        )

    def _counted(self, error: TicketServerError) -> TicketServerError:
        if self._counter is not None:
            self._counter.count("writes_unconfirmed", kind=error.kind)
        return error


def _id_of(answer: object) -> str | None:
    """Return the id in the answer to a write, if it has one."""
    return str(answer["id"]) if isinstance(answer, dict) and answer.get("id") else None


def _author(call: Call) -> str:
    if call.principal is None or not call.is_by_member:
        return f"{_NO_AUTHOR}."
    return f"{_NO_AUTHOR}; the audit of this server names {call.principal.id}."


def _lost(ticket: Ticket, wanted: Mapping[str, Any], history: Sequence[HistoryEntry]) -> list[str]:
    """Return what a new ticket does not hold as sent, where its history does not say that it was changed since."""
    return [f"{name} is {holds(ticket, name)}" for name in differing(ticket, wanted) if not last_change(history, name)]


def _cannot_be_empty(name: str) -> str:
    return f"{name}: null was ignored, because this field cannot be empty."


def _nothing_to_do(before: Ticket, change: inputs.UpdateTicketInput, notes: Sequence[str]) -> str:
    """Say why an update would change nothing. What cannot be done is no reason to call the ticket as wished."""
    left_out = [*change.emptied, *change.cannot_be_empty]
    said = f"Ticket {before.id} already holds every given value. " if notes == () or not left_out else ""
    return f"{said}{' '.join(notes)}{' ' if notes else ''}Give a field that changes, or a comment."


def _proof(
    entry: HistoryEntry, acknowledged: Sequence[HistoryEntry], doubt: OutcomeUnknownError | None
) -> tuple[str, ...]:
    """Say how the entry of a comment was told from others, where the API did not name it."""
    if entry in acknowledged:
        return ()
    said = "The ticket API did not confirm this" if doubt else "The ticket API did not say which entry it added"
    return (
        f"{said}; the history shows this very comment by {author(entry)}, so it was done. An equal comment by the same "
        "user at the same time could not be told from it.",
    )


def _attachments_lost(ticket: Ticket, new: inputs.CreateTicketInput) -> tuple[str, ...]:
    stored = {(one.file_name, one.file_url) for one in ticket.attachments or ()}
    lost = [one.file_name for one in new.attachments or () if (one.file_name, one.file_url) not in stored]
    if not lost:
        return ()
    return (f"The ticket was created, but this ticket API did not store its attachments: {', '.join(lost)}.",)
