"""Which resource a path belongs to, and the audiences that open it."""

import pytest

from auth.oauth.resources import PATHS, ProtectedResources


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/mcp", "/mcp"),
        ("/mcp/", "/mcp"),
        ("/sse", "/sse"),
        ("/messages", "/sse"),
        ("/messages/", "/sse"),
        ("/tickets/mcp", "/mcp"),
        ("/", ""),
        ("/health", ""),
        ("/mcp/else", ""),
        ("/MCP", ""),
    ],
)
def test_a_path_belongs_to_one_resource(path: str, resource: str) -> None:
    resources = ProtectedResources("https://example.com/tickets/")

    assert resources.path_of(path) == resource
    assert resources.url_of(path) == f"https://example.com/tickets{resource}"
    assert resource in (*PATHS, "")


def test_a_resource_is_opened_by_its_own_address_and_by_names_of_the_whole_server() -> None:
    resources = ProtectedResources("https://example.com", ["api://tickets"])
    both = {"https://example.com", "https://example.com/", "api://tickets"}

    assert resources.audiences_of("/mcp") == both | {"https://example.com/mcp", "https://example.com/mcp/"}
    assert resources.audiences_of("/messages") == both | {"https://example.com/sse", "https://example.com/sse/"}
    assert resources.audiences_of("/else") == both
