"""The commands for the keys that sign access tokens."""

from tests.auth.cli.test_commands import Terminal, terminal, url

__all__ = ("terminal", "url")


def test_keys_are_listed_and_rotated(terminal: Terminal) -> None:
    assert terminal.json("signing-key", "list") == []

    first, second = terminal.json("signing-key", "rotate"), terminal.json("signing-key", "rotate")

    listed = terminal.json("signing-key", "list")
    assert listed[0] == second
    assert listed[1] == {**first, "superseded_at": second["created_at"]}
    shown = terminal.run("signing-key", "list").stdout
    assert second["key_id"] in shown
    assert "PRIVATE" not in shown
