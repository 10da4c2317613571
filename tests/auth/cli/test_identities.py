"""The commands for identities, as an operator types them and as a refusal names them."""

import shlex
from typing import Final

from auth.oauth.errors import unknown_subject
from auth.store.errors import UnknownIdentityError
from shared.errors import InvalidInputError
from tests.auth.cli.test_commands import MAIL, Terminal, mary, terminal, url
from tests.auth.oauth.test_identities import TOKEN

__all__ = ("mary", "terminal", "url")

ISSUER: Final = ("--issuer", "https://login.acme.example")


def test_a_user_and_a_program_are_linked_listed_and_removed(mary: Terminal) -> None:
    mary.json("service", "add", "nightly", "--tenant", "acme", "--role", "viewer")
    person = mary.json("identity", "add", *ISSUER, "--subject", "1", "--user", MAIL)
    program = mary.json("identity", "add", *ISSUER, "--subject", "2", "--tenant", "acme", "--service", "nightly")

    assert mary.json("identity", "list") == [person, program]
    assert [each["owner_name"] for each in mary.json("identity", "list", "--tenant", "acme")] == [MAIL, "nightly"]
    assert mary.json("identity", "list", "--user", MAIL) == [person]
    assert (person["tenant"], program["tenant"]) == (None, "acme")
    asked = mary.run("identity", "remove", person["id"], answer="n\n")
    assert asked.exit_code == 1
    assert f"All access tokens of {person['id']} will be refused." in asked.stderr
    assert mary.json("identity", "list", "--user", MAIL) == [person]
    removed = mary.json("identity", "remove", person["id"], "--yes")
    assert removed["removed_at"] is not None
    assert "removed at" in mary.run("identity", "list").stdout


def test_what_cannot_be_linked_or_removed_is_a_sentence(mary: Terminal) -> None:
    assert isinstance(mary.error("identity", "add", *ISSUER, "--subject", "1"), InvalidInputError)
    assert isinstance(mary.error("identity", "remove", "idn_0", "--yes"), UnknownIdentityError)
    assert mary.run("identity", "add", "--subject", "1", "--user", MAIL).exit_code == 2


def test_the_command_of_a_refusal_works_once_its_blanks_are_filled_in(mary: Terminal) -> None:
    refusal = str(unknown_subject(TOKEN))
    command = shlex.split(refusal.partition("`")[2].partition("`")[0].replace("EMAIL", MAIL))

    added = mary.json(*command[command.index("identity") :])

    assert (added["subject"], added["owner_name"]) == (TOKEN.subject, MAIL)
