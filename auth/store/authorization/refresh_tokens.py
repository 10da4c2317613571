"""The format of a refresh token: `rft_<grant>_<generation>_<mac>`. Pure.

Nothing of a token is stored. Its MAC is computed from the grant, the generation and the random seed of the grant with
a key that is not in the database, so the tokens of a generation can be computed again, and only by the server.
"""

import base64
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from auth.store.authorization.codes import GRANT_ID
from auth.store.peppers import Secrets

PREFIX: Final = "rft_"
"""The prefix of every refresh token, by which scanners for leaked secrets find them."""
_FORM: Final = re.compile(rf"{PREFIX}([0-9a-f]{{16}})_([1-9][0-9]{{0,8}})_([A-Za-z0-9_-]{{43}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A parsed token; only `is_genuine` says whether the server issued it."""

    grant_id: str
    generation: int
    mac: str = field(repr=False)

    def is_genuine(self, seed: str, secrets: Secrets) -> bool:
        """Return whether the server issued it for the grant with `seed`, with any secret that is still set."""
        macs = _macs(self.grant_id, self.generation, seed, secrets)
        return any(hmac.compare_digest(self.mac, mac) for mac in macs)


def parse(text: str) -> RefreshToken | None:
    """Return the parsed token, or None if it has another format."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    grant, generation, mac = found.groups()
    return RefreshToken(GRANT_ID + grant, int(generation), mac)


def refresh_token(grant_id: str, generation: int, seed: str, secrets: Secrets) -> str:
    """Return the token of a generation of a grant, the same each time while the current secret is the same."""
    mac = _macs(grant_id, generation, seed, secrets)[0]
    return f"{PREFIX}{grant_id.removeprefix(GRANT_ID)}_{generation}_{mac}"


def _macs(grant_id: str, generation: int, seed: str, secrets: Secrets) -> list[str]:
    macs = secrets.token_macs(f"{grant_id} {generation} {seed}")
    return [base64.urlsafe_b64encode(mac).decode().rstrip("=") for mac in macs]
