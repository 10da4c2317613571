"""Who acts in the ticket system: the user whom a write names, against whoever calls this server.

Who calls stands for the user that an administrator set, or for the one user with the same e-mail address. Acting as
somebody else needs `tickets:admin`; who proved nothing in person (STDIO, no key, the shared key) has it, and has to
say each time who acts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.errors import InvalidInputError, Problem, UnknownTicketUserError
from shared.identity import InsufficientScopeError, Principal, Scope
from shared.tickets.master_data import MasterData
from shared.tickets.master_lists import USERS
from shared.tickets.models import MasterItem, User

_LINK: Final = "an administrator can link your account to one (python -m auth membership set … --ticket-user ID)"


@dataclass(slots=True)
class Call:
    """One call of a tool: who makes it (over STDIO nobody in particular), and what comes to be known of it."""

    principal: Principal | None = None
    acting_as: MasterItem | None = None
    """As whom the ticket system records it."""
    ticket_id: str = ""
    """The ticket that it names, or creates."""
    request_id: str = ""
    trace: str = ""

    @property
    def may_act_for_others(self) -> bool:
        """Whether anybody may be named as the one who acts."""
        return self.principal is None or Scope.TICKETS_ADMIN in self.principal.scopes

    @property
    def is_by_member(self) -> bool:
        """Whether who calls is one person or program of an organisation, not anybody with the shared key."""
        return self.principal is not None and self.principal.role is not None


async def acting_user(master: MasterData, call: Call, argument: str, given: MasterItem | None) -> MasterItem:
    """Return as whom `call` writes, and note it there.

    Args:
        master: the lists of the caller's own ticket API.
        call: whose it is.
        argument: the name of the argument that says who acts.
        given: whom it names; None when it was left out.

    Raises:
        InvalidInputError: it was left out, and nobody knows for whom the caller stands.
        InsufficientScopeError: it names somebody else.
        UnknownTicketUserError: an administrator linked the caller to a user who does not exist.
        UpstreamError: master data could not be fetched.
    """
    user = given if given is not None and call.may_act_for_others else await _own(master, call, argument, given)
    call.acting_as = user
    return user


async def _own(master: MasterData, call: Call, argument: str, given: MasterItem | None) -> MasterItem:
    own = await _stands_for(master, call.principal)
    if given is not None and (own is None or own.id != given.id):
        raise _not_yours(call, argument, given, own)
    if own is None:
        raise InvalidInputError.of(
            [Problem(argument, f"is missing, and whom you stand for is not known: {_ways(call)}")]
        )
    return own


async def _stands_for(master: MasterData, principal: Principal | None) -> MasterItem | None:
    """Return the user of the ticket system that `principal` is, if that is known."""
    if principal is None:
        return None
    if (linked := principal.ticket_user) is not None:
        user = await _only(master, lambda user: user.id == linked)
        if user is None:
            raise UnknownTicketUserError(
                f"Your account stands for the user {linked} of the ticket system, which knows no such user. "
                f"Nothing was changed; {_LINK}."
            )
        return user
    email = (principal.email or "").strip().casefold()
    if not email:
        return None
    return await _only(master, lambda user: (user.email or "").strip().casefold() == email)


async def _only(master: MasterData, fits: Callable[[User], bool]) -> User | None:
    """Return the one user that fits; who is missing from a kept list may have been added just now."""
    lists = await master.lists()
    found = [user for user in lists[USERS] if fits(user)]
    if not found:
        found = [user for user in (await master.lists(newer_than=lists))[USERS] if fits(user)]
    return found[0] if len(found) == 1 else None


def _not_yours(call: Call, argument: str, given: MasterItem, own: MasterItem | None) -> InsufficientScopeError:
    if own is None:
        advice = f"Whom you stand for in the ticket system is not known: {_ways(call)}."
    else:
        advice = f"You act as {own.name} ({own.id}): leave {argument} out."
    return InsufficientScopeError(f"Acting as {given.name} ({given.id})", Scope.TICKETS_ADMIN, advice=advice)


def _ways(call: Call) -> str:
    """Return what can be done where it is not known for whom the caller stands."""
    if not call.may_act_for_others:
        return _LINK
    give = "give an id from get_users"
    return f"{give}, or {_LINK}" if call.is_by_member else give
