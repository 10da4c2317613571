"""The secrets of a deployment, and the keys derived from each: for API keys, upstream keys and sign-in.

The first secret is current, all are accepted. To rotate, put a new one in front and keep the old one until nothing
stored has its id any more. Ids are stored beside every digest and sealed text; they reveal nothing about the secret.
Source: HKDF-SHA256 (RFC 5869), AES-256-GCM with random nonces of 96 bits (NIST SP 800-38D, 8.2.2).
"""

import base64
import binascii
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from auth.store.errors import UpstreamKeyError

SHORTEST_SECRET: Final = 32
_NONCE_BYTES: Final = 12
_EXAMPLE: Final = 'python3 -c "import secrets; print(secrets.token_urlsafe(32))"'


@dataclass(frozen=True, slots=True)
class Digest:
    """A stored key: HMAC-SHA256 of its secret part as 64 hexadecimal digits, and the id of the pepper."""

    value: str
    pepper_id: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted text in Base64, and the id of the secret that decrypts it."""

    text: str
    secret_id: str


class _Derived:
    """Everything derived from one secret; the secret itself is never used."""

    def __init__(self, secret: str) -> None:
        self.id = _derive(secret, "id", 4).hex()
        self.pepper = _derive(secret, "pepper of API keys", 32)
        self.sealing = AESGCM(_derive(secret, "sealing of upstream keys", 32))
        self.sign_in = AESGCM(_derive(secret, "sealing for sign-in", 32))
        self.tokens = _derive(secret, "refresh tokens", 32)


def _derive(secret: str, purpose: str, length: int) -> bytes:
    info = f"mcp-ticket-server identity v1: {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(secret.encode())


class Secrets:
    """All secrets of a deployment, the current one first.

    Raises:
        ValueError: there is no secret, or one has fewer than 32 characters. The message shows none of them.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets or any(len(secret.strip()) < SHORTEST_SECRET for secret in secrets):
            raise ValueError(
                f"The identity store needs a secret of {SHORTEST_SECRET} characters or more; make one with {_EXAMPLE}"
            )
        derived = [_Derived(secret.strip()) for secret in secrets]
        self._current = derived[0]
        self._in_order = derived
        self._by_id = {one.id: one for one in reversed(derived)}

    @property
    def current_id(self) -> str:
        """Id of the secret used for new digests and sealed keys: 8 hexadecimal digits."""
        return self._current.id

    def has(self, secret_id: str) -> bool:
        """Return whether the secret with this id is configured."""
        return secret_id in self._by_id

    def digest(self, secret: str) -> Digest:
        """Return the digest to store for a new key."""
        return Digest(_hmac(self._current.pepper, secret), self._current.id)

    def matches(self, secret: str, digest: Digest | None) -> bool:
        """Return whether `digest` belongs to `secret`, always by one comparison of equal lengths.

        Without a digest, or if its pepper is no longer configured, the result is False and takes the same time.
        """
        derived = self._by_id.get(digest.pepper_id) if digest is not None else None
        found = _hmac((derived or self._current).pepper, secret)
        stored = digest.value if digest is not None and derived is not None else _NO_DIGEST
        return hmac.compare_digest(found.encode(), stored.encode())

    def seal(self, plain: str, tenant: str) -> Sealed:
        """Encrypt the upstream key of `tenant`; it decrypts only for that tenant."""
        text = _encrypted(self._current.sealing, plain, tenant)
        return Sealed(base64.b64encode(text).decode(), self._current.id)

    def open(self, sealed: Sealed, tenant: str) -> str:
        """Decrypt the upstream key of `tenant`.

        Raises:
            UpstreamKeyError: its secret is no longer configured, it was sealed for another tenant, or it was modified.
        """
        derived = self._by_id.get(sealed.secret_id)
        if derived is None:
            raise UpstreamKeyError(
                f"The upstream key of tenant {tenant!r} was sealed with a secret ({sealed.secret_id}) that is not set "
                "any more. Put that secret behind the current one, or set the upstream key again."
            )
        try:
            return _decrypted(derived.sealing, base64.b64decode(sealed.text, validate=True), tenant)
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise UpstreamKeyError(
                f"The upstream key of tenant {tenant!r} cannot be decrypted: it was modified or belongs to another "
                "tenant. Set it again."
            ) from error

    def seal_text(self, plain: str, purpose: str) -> str:
        """Encrypt a text of the authorization server, for use in a URL; it decrypts only for the same `purpose`."""
        sealed = _encrypted(self._current.sign_in, plain, purpose)
        return f"{self._current.id}.{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"

    def unseal_text(self, sealed: str, purpose: str) -> str | None:
        """Decrypt what `seal_text` returned for `purpose`; None if it did not, or if its secret is no longer set."""
        secret_id, _, text = sealed.partition(".")
        derived = self._by_id.get(secret_id)
        if derived is None or not text.isascii():
            return None
        try:
            return _decrypted(derived.sign_in, base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), purpose)
        except (InvalidTag, binascii.Error, ValueError):
            return None

    def token_macs(self, text: str) -> Sequence[bytes]:
        """Return the HMAC-SHA256 of `text` by the key for refresh tokens of each secret, the current one first."""
        return [hmac.digest(derived.tokens, text.encode(), sha256) for derived in self._in_order]


def _encrypted(key: AESGCM, plain: str, bound_to: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + key.encrypt(nonce, plain.encode(), bound_to.encode())


def _decrypted(key: AESGCM, whole: bytes, bound_to: str) -> str:
    """Raises: InvalidTag, ValueError."""
    return key.decrypt(whole[:_NONCE_BYTES], whole[_NONCE_BYTES:], bound_to.encode()).decode()


_NO_DIGEST: Final = "0" * 64
"""Compared with when there is no stored digest; no key has this digest that anyone could find."""


def _hmac(pepper: bytes, secret: str) -> str:
    return hmac.new(pepper, secret.encode("utf-8", "surrogateescape"), sha256).hexdigest()
