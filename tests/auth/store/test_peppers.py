"""Keys derived from a deployment's secrets: digests that outlive a rotation, and seals that open for one tenant."""

from urllib.parse import quote

import pytest

from auth.store.errors import UpstreamKeyError
from auth.store.peppers import Digest, Sealed, Secrets
from tests.auth.conftest import NEWER_SECRET, SECRET, SECRETS
from tests.kills import kills

ROTATED = Secrets([NEWER_SECRET, SECRET])


@kills("auth/store/peppers.py", "one.id: one for one in reversed(derived)", "self._current.id: self._current")
def test_a_digest_by_an_older_secret_still_matches() -> None:
    digest = SECRETS.digest("key")

    assert ROTATED.matches("key", digest)
    assert not ROTATED.matches("kez", digest)
    assert ROTATED.digest("key") != digest
    assert ROTATED.current_id != digest.pepper_id


def test_a_digest_by_a_secret_that_is_gone_matches_nothing() -> None:
    assert not Secrets([NEWER_SECRET]).matches("key", SECRETS.digest("key"))


@pytest.mark.parametrize(
    "digest",
    [None, SECRETS.digest("key"), SECRETS.digest("other"), Digest("f" * 64, "ffffffff"), Digest("0" * 64, "ffffffff")],
)
@pytest.mark.parametrize("secret", ["key", "", "x" * 5_000, "é\udcff"])
def test_there_is_one_comparison_of_equal_lengths_whatever_is_handed_in(
    digest: Digest | None, secret: str, compared: list[tuple[int, int]]
) -> None:
    matches = SECRETS.matches(secret, digest)

    assert compared == [(64, 64)]
    assert matches == (secret == "key" and digest == SECRETS.digest("key"))


def test_the_digest_of_no_one_matches_nothing() -> None:
    """The placeholder for a missing digest must not match any key."""
    assert not any(SECRETS.matches(str(n), None) for n in range(100))


@kills("auth/store/peppers.py", "plain.encode(), bound_to.encode()", 'plain.encode(), b""')
@kills("auth/store/peppers.py", "nonce = os.urandom(_NONCE_BYTES)", "nonce = bytes(_NONCE_BYTES)")
def test_a_sealed_key_opens_for_its_tenant_alone() -> None:
    sealed = SECRETS.seal("the-key", "acme")

    assert SECRETS.open(sealed, "acme") == ROTATED.open(sealed, "acme") == "the-key"
    assert "the-key" not in repr(sealed)
    assert SECRETS.seal("the-key", "acme") != sealed, "each has a nonce of its own"
    with pytest.raises(UpstreamKeyError, match="belongs to another tenant"):
        SECRETS.open(sealed, "other")


@pytest.mark.parametrize("changed", ["", "AAAA", "not base 64", "é"])
def test_a_seal_that_was_changed_does_not_open(changed: str) -> None:
    with pytest.raises(UpstreamKeyError, match="Set it again"):
        SECRETS.open(Sealed(changed, SECRETS.current_id), "acme")


def test_a_text_of_sign_in_is_read_for_its_purpose_alone() -> None:
    sealed = SECRETS.seal_text("a text", "sign-in")
    secret_id, _, text = sealed.partition(".")

    assert SECRETS.unseal_text(sealed, "sign-in") == ROTATED.unseal_text(sealed, "sign-in") == "a text"
    assert SECRETS.seal_text("a text", "sign-in") != sealed
    assert sealed == quote(sealed), "as it is in a URL"
    assert SECRETS.unseal_text(sealed, "another") is None
    assert Secrets([NEWER_SECRET]).unseal_text(sealed, "sign-in") is None
    for changed in ("", secret_id, f"{secret_id}.", f"{secret_id}.AAAA", f"{secret_id}.{text[:-4]}", f"{secret_id}.é"):
        assert SECRETS.unseal_text(changed, "sign-in") is None, changed


def test_tokens_have_a_code_of_each_secret_the_current_one_first() -> None:
    [old] = SECRETS.token_macs("1")
    new, also_old = ROTATED.token_macs("1")

    assert (also_old, len(old)) == (old, 32)
    assert len({old, new, *SECRETS.token_macs("2")}) == 3


def test_without_its_secret_a_sealed_key_says_what_to_do() -> None:
    with pytest.raises(UpstreamKeyError, match="Put that secret behind the current one"):
        Secrets([NEWER_SECRET]).open(SECRETS.seal("the-key", "acme"), "acme")


@pytest.mark.parametrize("secrets", [[], [""], ["short-secret"], [SECRET, "short-secret"], [" " * 40]])
def test_no_secret_or_a_short_one_is_refused_without_showing_it(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="32 characters or more") as refused:
        Secrets(secrets)

    assert "short-secret" not in str(refused.value)


def test_nothing_of_a_secret_is_in_what_is_shown() -> None:
    assert SECRET not in repr(SECRETS) + repr(vars(SECRETS))


def test_what_is_derived_stays_what_it_was() -> None:
    """A key that is already stored must keep working when this code changes."""
    sealed = Sealed("/9Ct9BiuVANArcK0oiguuF4Hyzi4WgTe0LrYQ9U2zgrSkko=", "1f95b423")

    assert SECRETS.digest("key") == Digest(
        "6c1698cee0652d936b3c972bfd6c4ff4584b8d21c4a516a141cfc86ad982b42d", "1f95b423"
    )
    assert SECRETS.open(sealed, "acme") == "the-key"
