"""What is read of the metadata of clients, whether it is in a document or comes with a registration. Pure.

Every client is a public one: what it has to show is a code, the verifier of its PKCE challenge, and later its refresh
token. A method of authentication that it names beside that is not used; a secret in a document, which is public, is
refused.

Sources: RFC 7591, sections 2 and 3.2; OAuth 2.0 Client ID Metadata Document (draft), sections 3 and 4; OpenID Connect
Dynamic Client Registration 1.0, section 2 (`application_type`); CIMD extension `token_endpoint_auth_methods_supported`.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from auth.authorization_server.clients.redirects import MAX_LENGTH, RedirectPolicy, has_steps
from auth.store.authorization.tables import CLIENT_ID_LENGTH
from shared.errors import TicketServerError
from shared.identity import Scope
from shared.visible_text import visible

MAX_BYTES: Final = 16 * 1024
"""Of a document or a registration. Those of known clients have less than 2 kB; a key set of their own is a few more."""
MAX_REDIRECTS: Final = 50
MAX_NAME: Final = 60
"""Characters of a name on a page."""
GRANT_TYPES: Final = ("authorization_code", "refresh_token")
RESPONSE_TYPES: Final = ("code",)
_APPLICATION_TYPES: Final = ("native", "web")
_SCOPES: Final = frozenset({*(scope.value for scope in Scope), "offline_access"})
_SECRETS: Final = ("client_secret", "client_secret_expires_at")
_ADDRESS: Final = re.compile(r"https://[a-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~!$&'()*+,;=:@%/-]+(?:\?[!-~]*)?")
_ESCAPED_STEP: Final = re.compile(r"%(?:2e|2f|5c|00)", re.IGNORECASE)


class ClientMetadataError(TicketServerError):
    """Metadata cannot be used; the text is a sentence for the developer of the client."""

    kind = "client_metadata"

    def __init__(
        self,
        message: str,
        *,
        error: Literal["invalid_redirect_uri", "invalid_client_metadata"] = "invalid_client_metadata",
    ) -> None:
        super().__init__(message)
        self.error = error
        """Code of RFC 7591, section 3.2.2."""


def is_document_address(client_id: str) -> bool:
    """Return whether an id can be the address of a metadata document: https with a path, in its shortest spelling."""
    if len(client_id) > CLIENT_ID_LENGTH or not _ADDRESS.fullmatch(client_id):
        return False
    return not has_steps(urlsplit(client_id).path) and not _ESCAPED_STEP.search(client_id.partition("?")[0])


def metadata_in_document(address: str, document: object) -> Mapping[str, Any]:
    """Return what is used of the document at `address`. Raises: ClientMetadataError."""
    if not isinstance(document, dict):
        raise ClientMetadataError("The document is not a JSON object.")
    if document.get("client_id") != address:
        raise ClientMetadataError("Its `client_id` is not the address of the document.")
    if named := [name for name in _SECRETS if name in document]:
        raise ClientMetadataError(f"It has `{named[0]}`, but a document is public and holds no secret.")
    if not _can_be_public(document):
        raise ClientMetadataError("It asks for a secret or a key; list `none` as a method, for public clients.")
    name = document.get("client_name")
    return {
        "client_name": name[:CLIENT_ID_LENGTH] if isinstance(name, str) else "",
        "redirect_uris": list(_redirect_uris(document)),
    }


def metadata_in_registration(body: object, policy: RedirectPolicy) -> Mapping[str, Any]:
    """Return the metadata under which a client is registered: as it asked, where this server can do that.

    Raises: ClientMetadataError.
    """
    if not isinstance(body, dict):
        raise ClientMetadataError("Send the metadata of the client as a JSON object.")
    uris = _redirect_uris(body)
    if refused := [uri for uri in uris if not policy.allows(uri)]:
        raise ClientMetadataError(not_allowed(refused[0]), error="invalid_redirect_uri")
    for field, needed in (("grant_types", GRANT_TYPES[0]), ("response_types", RESPONSE_TYPES[0])):
        if needed not in _texts(body, field, default=(needed,)):
            raise ClientMetadataError(f"`{field}` must contain `{needed}`: there is no other way to sign in here.")
    kept = {
        "redirect_uris": list(uris),
        "token_endpoint_auth_method": "none",
        "grant_types": list(GRANT_TYPES),
        "response_types": list(RESPONSE_TYPES),
        "client_name": visible(_text(body, "client_name"))[:CLIENT_ID_LENGTH],
        "application_type": next((kind for kind in _APPLICATION_TYPES if body.get("application_type") == kind), ""),
        "scope": " ".join(scope for scope in _text(body, "scope").split() if scope in _SCOPES),
    }
    return {name: value for name, value in kept.items() if value}


def not_allowed(redirect_uri: str) -> str:
    """Return the sentence about a redirect address that the policy does not allow."""
    return (
        f"The redirect address {shown(redirect_uri)} is not allowed here: it is neither on this person's machine nor "
        "that of a known client. The operator of this server can allow it with MCP_OAUTH_REDIRECTS."
    )


def display_name(name: object, otherwise: str) -> str:
    """Return the name of a client for a page: on one line, without characters that show nothing, not too long."""
    plain = " ".join(visible(name).split()) if isinstance(name, str) else ""
    plain = plain or otherwise
    return plain if len(plain) <= MAX_NAME else f"{plain[: MAX_NAME - 1]}…"


def shown(text: str) -> str:
    """Return a text of others for a sentence: short, on one line, in ASCII."""
    return ascii(text if len(text) <= 200 else f"{text[:200]}...")


def _can_be_public(document: Mapping[str, Any]) -> bool:
    """Return whether the client needs no secret: one of its methods is `none`, or it names none at all."""
    methods = document.get("token_endpoint_auth_methods_supported")
    listed: Collection[Any] = methods if isinstance(methods, list) else ()
    return "none" in listed or document.get("token_endpoint_auth_method", "none") == "none"


def _redirect_uris(metadata: Mapping[str, Any]) -> Sequence[str]:
    """Return the redirect addresses, each once. Raises: ClientMetadataError."""
    uris = metadata.get("redirect_uris")
    if not isinstance(uris, list) or not uris or not all(isinstance(uri, str) and uri for uri in uris):
        raise ClientMetadataError("`redirect_uris` must list at least one address.", error="invalid_redirect_uri")
    if len(uris) > MAX_REDIRECTS or any(len(uri) > MAX_LENGTH for uri in uris):
        text = f"`redirect_uris` may hold {MAX_REDIRECTS} addresses, each of at most {MAX_LENGTH:,} characters."
        raise ClientMetadataError(text, error="invalid_redirect_uri")
    return list(dict.fromkeys(uris))


def _text(metadata: Mapping[str, Any], field: str) -> str:
    value = metadata.get(field)
    if value is not None and not isinstance(value, str):
        raise ClientMetadataError(f"`{field}` must be a text.")
    return value or ""


def _texts(metadata: Mapping[str, Any], field: str, *, default: Sequence[str]) -> Sequence[str]:
    value = metadata.get(field)
    if value is None:
        return default
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ClientMetadataError(f"`{field}` must be a list of texts.")
    return value
