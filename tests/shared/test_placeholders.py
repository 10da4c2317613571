"""What examples have where a secret or a host belongs is no value of a setting."""

import pytest

from shared.config import CloudSettings, StdioSettings, load
from tests.kills import kills
from tests.shared.test_config import KEY, refusal_of

pytestmark = pytest.mark.usefixtures("env")
PLACEHOLDERS = (
    *(
        "...",
        "…",
        "***",
        "xxxxxxxx",
        "YOUR-KEY",
        "your_api_key_here",
        "<key>",
        "[key]",
        "${KEY}",
        "{key}",
        "$(openssl rand",
    ),
    *("changeme", "CHANGE_ME_please", "replace-me", "put-the-key-here", "placeholder"),
)


@kills("shared/environment.py", "if PLACEHOLDER.fullmatch(value.strip()):", "if False:")
@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_the_placeholder_of_an_example_is_no_key(placeholder: str) -> None:
    assert refusal_of(StdioSettings, MCP_API_KEY=placeholder, MCP_API_BASE_URL="http://h") == (
        "MCP_API_KEY or API_KEY is the placeholder of an example; set the value itself"
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MCP_MCP_API_KEY", "your-secret-key-of-32-characters-or-more"),
        ("MCP_OPERATOR_KEY", "<" + "k" * 40 + ">"),
        ("MCP_IDENTITY_KEYS", f"{KEY},$(python3 -c 'import secrets; print(secrets)')"),
        ("MCP_REQUEST_STATE_KEYS", "x" * 40),
        ("MCP_BROKER_URL", "redis://…"),
        ("MCP_API_BASE_URL", "https://..."),
        ("MCP_PUBLIC_URL", "https://your-host.example.com"),
    ],
)
def test_no_setting_takes_the_placeholder_of_an_example(variable: str, value: str) -> None:
    assert refusal_of(CloudSettings, **{"MCP_MCP_API_KEY": KEY, variable: value}) == (
        f"{variable} is the placeholder of an example; set the value itself"
    )


@pytest.mark.parametrize("key", ["k", "their-key", "secret", "old", "yours", "xx", "a.b.c", "here", "key-1"])
def test_a_short_key_of_a_ticket_api_is_no_placeholder(key: str) -> None:
    assert load(StdioSettings, api_key=key).api_key is not None
