"""Tokens of the authorization server: how they are issued, signed, exchanged and revoked."""

from auth.authorization_server.tokens.access_tokens import AccessTokens
from auth.authorization_server.tokens.endpoint import TokenEndpoint
from auth.authorization_server.tokens.key_ring import ConfiguredKeys, KeyRing

__all__ = ("AccessTokens", "ConfiguredKeys", "KeyRing", "TokenEndpoint")
