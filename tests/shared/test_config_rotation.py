"""A key that callers send may be two while it is rotated."""

import pytest

from shared.config import CloudSettings, load
from tests.shared.test_config import refusal_of

KEY = "k" * 32


@pytest.mark.parametrize("name", ["MCP_MCP_API_KEY", "MCP_OPERATOR_KEY"])
def test_a_key_that_is_rotated_may_be_two(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_MCP_API_KEY", KEY)
    monkeypatch.setenv(name, f"{'n' * 32}, {KEY}")

    keys = getattr(load(CloudSettings), name.removeprefix("MCP_").lower())

    assert [key.get_secret_value() for key in keys] == ["n" * 32, KEY]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (f"{KEY},{'n' * 31}", "must be 32 characters long or more"),
        (f"{KEY},", "must be ASCII letters"),
        (f"{KEY},{KEY},{KEY}", "must be one key, or two separated by a comma while it is rotated"),
    ],
)
def test_each_key_of_a_rotation_is_checked(value: str, sentence: str) -> None:
    assert sentence in refusal_of(CloudSettings, MCP_MCP_API_KEY=value)
