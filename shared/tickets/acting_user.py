"""Determines the acting user of a write: the ticket-system user that it names, checked against the caller.

A caller maps to the user that an administrator linked, or to the only user with the same e-mail address. Acting as
another user requires `tickets:admin`; callers without an identity of their own (STDIO, no key, the shared key) have
that scope and must name the acting user each time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from shared.command_lines import command_line
from shared.concurrency import within
from shared.errors import InvalidInputError, Problem, UnknownTicketUserError, UpstreamError
from shared.identity import ANONYMOUS, InsufficientScopeError, Principal, Scope
from shared.localization import localized
from shared.markdown import one_line
from shared.tickets.folding import fold
from shared.tickets.master_data import MasterData, MasterLists, email_key
from shared.tickets.master_lists import USERS
from shared.tickets.models import MasterItem, User
from shared.tickets.names import find, labels, nearest

ME: Final = frozenset({"me", "myself", "@me", "自分", "私"})
"""Words for the caller in place of a person."""
LOOK_S: Final = 2.0
"""How long a result waits for the name of its caller, in seconds."""
_GIVE: Final = "give an id from get_users"
_LINK: Final = "an administrator can link your account to one ({command} membership set … --ticket-user ID)"


class Steps(Protocol):
    """Takes note of the steps of a call that writes several tickets. Neither method raises."""

    async def wrote(self, ticket_id: str, outcome: str) -> None:
        """Record the end of one write; `outcome` is `ok`, or the kind of its error."""
        ...

    async def progress(self, done: int, total: int, message: str) -> None:
        """Report to the client, if it asked for that."""
        ...


@dataclass(slots=True)
class ToolCall:
    """One tool call: its principal (None over STDIO), and what becomes known while it runs."""

    principal: Principal | None = None
    acting_as: MasterItem | None = None
    """The user that the ticket system records for it."""
    ticket_id: str = ""
    """The ticket that it names or creates."""
    request_id: str = ""
    trace_of: Callable[[], str] = str
    """Returns the trace that it belongs to; asked for by its audit events alone."""
    steps: Steps | None = None
    """Takes note of each ticket that the call writes, where it writes several."""
    ticket_user: str = ""
    """The person at this machine, as id, name or e-mail address (`MCP_TICKET_USER`); empty where callers differ."""

    @property
    def may_act_for_others(self) -> bool:
        """Whether the call may name any user as the acting user."""
        return self.principal is None or Scope.TICKETS_ADMIN in self.principal.scopes

    @property
    def names_its_user(self) -> bool:
        """Whether anything says which user of the ticket system the caller is."""
        principal = self.principal
        return bool(self.ticket_user or (principal is not None and (principal.ticket_user or principal.email)))

    @property
    def is_local(self) -> bool:
        """Whether the caller is the user of this machine: over STDIO, or without a key."""
        return self.principal in {None, ANONYMOUS}

    @property
    def is_by_member(self) -> bool:
        """Whether the caller is a known person or program of an organisation, not a holder of the shared key."""
        return self.principal is not None and self.principal.role is not None


async def acting_user(master: MasterData, call: ToolCall, argument: str, given: MasterItem | None) -> MasterItem:
    """Return the acting user of `call`, and store it in `call`.

    Args:
        master: the master data of the caller's own ticket API.
        call: the call.
        argument: the name of the argument that gives the acting user.
        given: the user it names; None if it was left out.

    Raises:
        InvalidInputError: it was left out, and the caller's user in the ticket system is not known.
        InsufficientScopeError: it names another user.
        UnknownTicketUserError: an administrator linked the caller to a user that does not exist.
        UpstreamError: master data could not be fetched.
    """
    user = given if given is not None and call.may_act_for_others else await _own(master, call, argument, given)
    call.acting_as = user
    return user


async def callers_user(master: MasterData, call: ToolCall) -> MasterItem | None:
    """Return the user that the caller is in the ticket system, if that is known.

    Raises:
        UnknownTicketUserError: an administrator linked the caller to a user that does not exist.
        UpstreamError: master data could not be fetched.
    """
    return await _stands_for(master, call)


async def named_me(master: MasterData, call: ToolCall, given: object) -> MasterItem | None:
    """Return `callers_user` if `given` is one of the words for it."""
    return await callers_user(master, call) if isinstance(given, str) and fold(given) in ME else None


async def known_user(master: MasterData, call: ToolCall) -> tuple[MasterItem | None, str]:
    """Return the ticket-system user of the caller, as far as it can be determined quickly. Never raises.

    Beside it stands what is wrong with `MCP_TICKET_USER`, if something is.
    """
    if not call.names_its_user:  # most do not, and a deadline costs as much as reading an argument
        return None, ""
    try:
        return await within(LOOK_S, _stands_for(master, call, look_again=False)), ""
    except UnknownTicketUserError as error:
        return None, str(error) if call.ticket_user else ""
    except (UpstreamError, TimeoutError):
        return None, ""


def unknown_user(argument: str, call: ToolCall, *, give: str = "") -> InvalidInputError:
    """Return the error for an argument that means the caller's user in the ticket system, which is not known.

    `give` is what can be given instead; by default, an id from get_users.
    """
    ways = f"{give or localized(_GIVE)}{_or_make_known(call)}"
    return InvalidInputError.of(
        [Problem(argument, localized("your user in the ticket system is not known: {ways}", ways=ways))]
    )


async def _own(master: MasterData, call: ToolCall, argument: str, given: MasterItem | None) -> MasterItem:
    own = await _stands_for(master, call)
    if given is not None and (own is None or own.id != given.id):
        raise _not_yours(call, argument, given, own)
    if own is None:
        text = localized("is missing, and your user in the ticket system is not known: {ways}", ways=_ways(call))
        raise InvalidInputError.of([Problem(argument, text)])
    return own


async def _stands_for(master: MasterData, call: ToolCall, *, look_again: bool = True) -> MasterItem | None:
    """Return the ticket-system user of the caller, if known."""
    principal = call.principal
    if call.ticket_user:
        return await _at_this_machine(master, call.ticket_user, look_again=look_again)
    if principal is None:
        return None
    if (linked := principal.ticket_user) is not None:
        user = await _only(
            master, lambda lists: [user for user in lists[USERS] if user.id == linked], look_again=look_again
        )
        if user is None:
            raise UnknownTicketUserError(
                localized(
                    "Your account is linked to the user {linked} of the ticket system, which does not exist there. "
                    "Nothing was changed; {link}.",
                    linked=linked,
                    link=_link(),
                )
            )
        return user
    email = email_key(principal.email)
    if not email:
        return None
    return await _only(master, lambda lists: lists.users_by_email.get(email, ()), look_again=look_again)


async def _at_this_machine(master: MasterData, given: str, *, look_again: bool) -> MasterItem:
    """Return the user that `MCP_TICKET_USER` names. Raises: UnknownTicketUserError: it names none, or several."""
    lists = await master.lists()
    users: Sequence[User] = lists[USERS]
    if not find(given, users).equal and look_again:
        users = (await master.lists(newer_than=lists))[USERS]
    equal = find(given, users).equal
    if len(equal) == 1:
        return equal[0]
    raise UnknownTicketUserError(
        localized(
            "The setting MCP_TICKET_USER is “{given}”, which names {named}; nearest: {nearest}. Set it to an id from "
            "get_users and start this server again.",
            given=one_line(given),
            named=localized("several users of the ticket system" if equal else "no user of the ticket system"),
            nearest=localized(", ").join(labels(equal or nearest(given, users), USERS.tool)),
        )
    )


async def _only(
    master: MasterData, fitting: Callable[[MasterLists], Sequence[User]], *, look_again: bool
) -> User | None:
    """Return the only user that fits, or None; with `look_again`, a missing user is looked up in newer lists."""
    lists = await master.lists()
    found = fitting(lists)
    if not found and look_again:
        found = fitting(await master.lists(newer_than=lists))
    return found[0] if len(found) == 1 else None


def _not_yours(call: ToolCall, argument: str, given: MasterItem, own: MasterItem | None) -> InsufficientScopeError:
    if own is None:
        advice = localized("Your user in the ticket system is not known: {ways}.", ways=_ways(call))
    else:
        you = f"{own.name} ({own.id})"
        advice = localized("You act as {you}: leave {argument} out.", you=you, argument=argument)
    acting = localized("Acting as {user}", user=f"{given.name} ({given.id})")
    return InsufficientScopeError(acting, Scope.TICKETS_ADMIN, advice=advice)


def _ways(call: ToolCall) -> str:
    """Return what the caller can do while its ticket-system user is not known."""
    return f"{localized(_GIVE)}{_or_make_known(call)}" if call.may_act_for_others else _link()


def _link() -> str:
    return localized(_LINK, command=command_line("auth"))


def _or_make_known(call: ToolCall) -> str:
    if call.is_local:
        return localized(", or set MCP_TICKET_USER for this server")
    return localized(", or {link}", link=_link()) if call.is_by_member else ""
