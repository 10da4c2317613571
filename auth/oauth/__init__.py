"""Sign-in with the access tokens of an organisation's own OpenID provider: this server as an OAuth resource server."""

from auth.oauth.provider import OAuthProvider

__all__ = ("OAuthProvider",)
