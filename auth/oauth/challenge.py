"""What a refused client is asked for, as `WWW-Authenticate`: to sign in, to sign in again, or to ask for more scopes.

A client that sent nothing learns only where to sign in. A scope is asked for only if a further token can have it:
otherwise the client would open the browser at each call, for nothing. Pure.
Sources: RFC 6750, section 3; RFC 9728, section 5.1; MCP authorization (2026-07-28).
"""

import re
from collections.abc import Iterable
from typing import Final

from auth.oauth.metadata import SCOPES, metadata_url
from auth.oauth.resources import ProtectedResources
from auth.presented import NoCredentialError
from shared.errors import TicketServerError
from shared.identity import AuthenticationError, InsufficientScopeError, Principal, Scope

_NOT_SENT: Final = re.compile(r"[^ !#-\[\]-~]")
"""What may not stand in a parameter: RFC 6750, section 3."""


class Challenge:
    """Returns the challenge of a request that was refused, by its path, the refusal, and who sent it if that is known.

    Args:
        public_url: address that clients use.
    """

    def __init__(self, public_url: str) -> None:
        self._resources = ProtectedResources(public_url)

    def __call__(self, path: str, error: TicketServerError, principal: Principal | None) -> str | None:
        """Return it, or None if no sign-in would change anything."""
        match error:
            case NoCredentialError():
                return self._challenge(path, SCOPES)
            case AuthenticationError(status=401):
                return self._challenge(path, SCOPES, error="invalid_token", error_description=str(error))
            case InsufficientScopeError() if principal is not None and principal.may_ask_for(error.scope):
                needed = scopes_for(error.scope, principal)
                return self._challenge(path, needed, error="insufficient_scope", error_description=str(error))
        return None

    def _challenge(self, path: str, scopes: Iterable[str], **said: str) -> str:
        parameters = {**said, "resource_metadata": metadata_url(self._resources, path), "scope": " ".join(scopes)}
        return "Bearer " + ", ".join(f'{name}="{_NOT_SENT.sub("?", text)}"' for name, text in parameters.items())


def scopes_for(scope: Scope, principal: Principal) -> list[str]:
    """Return the scopes of a token that permits what needs `scope`.

    A tool that writes shows what it wrote, so each scope comes with those below it; and a client that takes the list as
    it is must not lose what it had.
    """
    ranked = list(Scope)
    return [each.value for each in ranked if each in principal.scopes or ranked.index(each) <= ranked.index(scope)]
