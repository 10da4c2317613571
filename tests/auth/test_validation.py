"""Operators' input: normalised, or refused with a message that says what is valid."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from auth import validation
from shared.errors import InvalidInputError
from tests.kills import kills


@pytest.mark.parametrize("slug", ["a", "acme", "0", "a-b-", "x" * 40])
def test_a_slug_is_taken(slug: str) -> None:
    assert validation.slug(slug) == slug


@pytest.mark.parametrize("slug", ["", "-a", "Acme", "a b", "a_b", "x" * 41, "acme\n", "é"])
def test_what_is_no_slug_is_refused(slug: str) -> None:
    with pytest.raises(InvalidInputError, match="Example: acme"):
        validation.slug(slug)


@pytest.mark.parametrize("email", ["", "mika", "mika@", "@x", "a b@x", "a@b@c", "x" * 250 + "@x.example", "a@b\x00"])
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(InvalidInputError, match=r"Example: mika@example\.com"):
        validation.email(email)


@pytest.mark.parametrize(("check", "wrong"), [
    (validation.label, ""), (validation.label, " \t"), (validation.label, "x" * 201), (validation.label, "two\nlines"),
    (validation.ticket_user, " "), (validation.ticket_user, "x" * 51), (validation.role, "owner"),
    (validation.role, "Admin"),
    (validation.upstream_reference, "env:"), (validation.upstream_reference, "env:A B"),
    (validation.upstream_reference, "file:x"),
    (validation.upstream_reference, "gs://bucket"),
])  # fmt: skip
def test_other_wrong_words_are_refused(check: Callable[[str], object], wrong: str) -> None:
    with pytest.raises(InvalidInputError):
        check(wrong)


@kills("auth/validation.py", "if not timedelta(0) < time <= LONGEST_LIFE:", "if False:")
@pytest.mark.parametrize("days", [-1, 0, 367])
def test_a_key_lives_for_some_time_and_at_most_a_year(days: int) -> None:
    assert validation.life(timedelta(days=366)) == timedelta(days=366)
    with pytest.raises(InvalidInputError, match="at most 366 days"):
        validation.life(timedelta(days=days))


@pytest.mark.parametrize("days", [-1, 367])
def test_an_overlap_may_be_nothing_and_not_less(days: int) -> None:
    assert validation.overlap(timedelta(0)) == timedelta(0)
    with pytest.raises(InvalidInputError, match="0 to 366 days"):
        validation.overlap(timedelta(days=days))


@pytest.mark.parametrize(("typed", "stored"), [
    ("https://tickets.acme.example/", "https://tickets.acme.example"),
    (" https://tickets.acme.example:8443/api/ ", "https://tickets.acme.example:8443/api"),
    ("https://203.0.114.7", "https://203.0.114.7"),
])  # fmt: skip
def test_an_upstream_address_is_stored_in_one_form(typed: str, stored: str) -> None:
    assert validation.upstream_address(typed) == stored


PRIVATE = ["http://127.0.0.1:8081", "http://localhost:8081", "http://10.0.0.3", "https://10.0.0.3", "http://[::1]:1",
           "https://[::ffff:10.0.0.3]", "https://localhost", "https://localhost.", "https://127.1", "https://2130706433",
           "https://0x7f.1", "https://10.0.0.3."]  # fmt: skip


@kills("auth/validation.py", "if is_private(host) and not allow_private:", "if False:")
@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_upstream_is_an_operators_explicit_wish(address: str) -> None:
    assert validation.upstream_address(address, allow_private=True) == address
    with pytest.raises(InvalidInputError, match="explicitly"):
        validation.upstream_address(address)


@kills("auth/validation.py", "if is_link_local(host):", "if False:")
@pytest.mark.parametrize("address", [
    "", "tickets.acme.example", "ftp://tickets.acme.example", "http://tickets.acme.example", "http://8.8.8.8",
    "https://", "https://user@tickets.acme.example", "https://user:hidden-word@tickets.acme.example",
    "https://tickets.acme.example?key=hidden-word", "https://tickets.acme.example/#hidden-word", "https://[::1",
    "https://tickets.acme.example:port", "https://tickets acme.example", "https://" + "x" * 2_000,
    "http://169.254.169.254", "https://[fe80::1]", "https://[::ffff:169.254.169.254]",
    "http://169.254.43518", "http://0xa9fea9fe", "http://169.254.169.254.", "https://\uff11\uff12\uff17.1", "https://.",
])  # fmt: skip
def test_other_upstreams_are_refused_even_then_and_not_shown(address: str) -> None:
    with pytest.raises(InvalidInputError, match=r"Example: https://tickets\.acme\.example") as refused:
        validation.upstream_address(address, allow_private=True)

    assert "hidden-word" not in str(refused.value)
