"""Metadata of the authorization server: what it can do, and where.

The same document is served as the discovery document of OpenID Connect, where some clients look first; it then has two
fields more, which their schemas require. This server issues no ID tokens.
Sources: RFC 8414, sections 2 and 3; RFC 9207 (iss); OAuth 2.0 Client ID Metadata Document (draft); OpenID Connect
Discovery 1.0, section 3; SEP-2207 (`offline_access` is a scope of the authorization server alone).
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from starlette.routing import Route

from auth.oauth.metadata import SCOPES, document_routes

OAUTH: Final = "/.well-known/oauth-authorization-server"
OPENID: Final = "/.well-known/openid-configuration"


def server_metadata(base: str, *, paths: Collection[str], registration: bool) -> Mapping[str, Any]:
    """Return the document.

    Args:
        base: the issuer, and the address of its endpoints, without a slash at the end.
        paths: of the resources that are served.
        registration: whether clients may register themselves.
    """
    document = {
        "issuer": base,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "revocation_endpoint": f"{base}/revoke",
        "jwks_uri": f"{base}/jwks",
        "scopes_supported": [*SCOPES, "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "client_id_metadata_document_supported": True,
        "authorization_response_iss_parameter_supported": True,
        "protected_resources": [base + path for path in ("", *paths)],
    }
    return {**document, "registration_endpoint": f"{base}/register"} if registration else document


def metadata_routes(base: str, *, paths: Collection[str], registration: bool) -> list[Route]:
    """Return the routes of both documents; see `server_metadata`."""
    document = server_metadata(base, paths=paths, registration=registration)
    for_openid = {**document, "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"]}
    return [*document_routes(base, OAUTH, "", document), *document_routes(base, OPENID, "", for_openid)]
