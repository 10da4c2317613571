"""Who writes as which user of the ticket system is set without naming the role again; commands are named as started."""

import sys
from pathlib import Path

import pytest

from auth.__main__ import main
from auth.store.errors import UnknownMembershipError
from shared.command_lines import CHECKOUT, command_line
from shared.errors import InvalidInputError
from tests.auth.cli.test_commands import MAIL, Terminal, mary, terminal, url

__all__ = ("mary", "terminal", "url")


def test_a_ticket_user_is_set_without_the_role(mary: Terminal) -> None:
    changed = mary.json("membership", "set", MAIL, "--tenant", "acme", "--ticket-user", "user5")
    assert (changed["role"], changed["ticket_user"]) == ("agent", "user5")

    promoted = mary.json("membership", "set", MAIL, "--tenant", "acme", "--role", "admin")
    assert (promoted["role"], promoted["ticket_user"]) == ("admin", "user5")

    removed = mary.json("membership", "set", MAIL, "--tenant", "acme", "--ticket-user", "")
    assert (removed["role"], removed["ticket_user"]) == ("admin", None)


def test_the_same_holds_for_a_service_account(mary: Terminal) -> None:
    mary.json("service", "add", "nightly", "--tenant", "acme", "--role", "viewer")

    changed = mary.json("service", "set", "nightly", "--tenant", "acme", "--ticket-user", "user5")
    assert (changed["role"], changed["ticket_user"]) == ("viewer", "user5")

    promoted = mary.json("service", "set", "nightly", "--tenant", "acme", "--role", "agent")
    assert (promoted["role"], promoted["ticket_user"]) == ("agent", "user5")


def test_nothing_to_set_and_a_role_that_was_never_given_are_named(mary: Terminal) -> None:
    mary.json("tenant", "add", "globex")

    nothing = mary.error("membership", "set", MAIL, "--tenant", "acme")
    stranger = mary.error("membership", "set", MAIL, "--tenant", "globex", "--ticket-user", "user5")

    assert isinstance(nothing, InvalidInputError)
    assert str(nothing) == "Give --role, --ticket-user or both."
    assert isinstance(stranger, UnknownMembershipError)
    assert "Set a membership with a role first" in str(stranger)
    assert isinstance(mary.error("service", "set", "nightly", "--tenant", "acme"), InvalidInputError)


def test_a_new_organisation_is_said_to_begin_empty(terminal: Terminal) -> None:
    result = terminal.run("tenant", "add", "acme")

    assert "It begins without tickets, people and lists." in result.stderr
    assert "begins" not in result.stdout


@pytest.mark.parametrize(
    ("prefix", "module", "command"),
    [
        (CHECKOUT / ".venv", "auth", "python3 run.py auth"),
        (CHECKOUT / ".venv", "ticket_api", "python3 run.py ticket-api"),
        (Path("/venv"), "auth", "python -m auth"),
        (Path("/usr"), "ticket_api", "python -m ticket_api"),
    ],
    ids=["auth in a checkout", "ticket API in a checkout", "auth in the container", "ticket API elsewhere"],
)
def test_a_command_is_named_as_the_user_can_run_it(
    monkeypatch: pytest.MonkeyPatch, prefix: Path, module: str, command: str
) -> None:
    monkeypatch.setattr(sys, "prefix", str(prefix))

    assert command_line(module) == command


@pytest.mark.parametrize(
    ("prefix", "level"), [(CHECKOUT / ".venv", "WARNING"), (Path("/venv"), "INFO")], ids=["run.py", "a job"]
)
def test_to_a_person_no_audit_line_stands_before_an_answer(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, prefix: Path, level: str
) -> None:
    """In the log of a job, started as a module, audit lines stay."""
    levels: list[str] = []
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.setattr(sys, "argv", ["auth", "tenant", "list"])
    monkeypatch.setattr("auth.__main__.configure_logging", lambda *, level: levels.append(level))

    assert main() == 0
    assert levels == [level]
