"""The head of a request: what counts when a header comes twice, with white space, or not at all."""

import pytest

from shared.client_habits import ClientHabits
from transport.http.request_head import RequestHead

Header = tuple[bytes, bytes]


def head(*headers: Header, method: str = "GET", query: bytes = b"", root_path: str = "") -> RequestHead:
    scope = {"type": "http", "method": method, "path": "/", "headers": headers, "query_string": query}
    return RequestHead(scope | ({"root_path": root_path} if root_path else {}))


def test_of_a_header_that_was_sent_twice_the_first_counts() -> None:
    twice = [(name, value) for value in (b"first", b"second") for name in (b"host", b"mcp-session-id")]

    read = head(*twice)

    assert (read.host, read.session_id) == ("first", "first")


def test_two_origins_are_a_list_which_is_no_origin() -> None:
    assert head((b"origin", b"http://localhost"), (b"origin", b" null ")).origin == "http://localhost, null"


def test_every_word_of_the_browser_about_the_site_counts() -> None:
    assert head((b"sec-fetch-site", b"none"), (b"sec-fetch-site", b" Cross-Site ")).sites == ["none", "cross-site"]


def test_white_space_around_a_value_is_not_part_of_it() -> None:
    names = (b"host", b"origin", b"mcp-protocol-version", b"mcp-session-id", b"last-event-id", b"content-type")

    read = head(*((name, b" \tx\t ") for name in names))

    values = (read.host, read.origin, read.protocol_version, read.session_id, read.last_event_id, read.content_type)
    assert values == ("x",) * len(names)


def test_a_header_that_is_missing_differs_from_an_empty_one() -> None:
    assert (head().origin, head().session_id, head().last_event_id) == (None, None, None)
    empty = head((b"origin", b""), (b"mcp-session-id", b" "), (b"last-event-id", b""))
    assert (empty.origin, empty.session_id, empty.last_event_id) == ("", "", "")


def test_handlers_see_every_header_but_credentials_and_every_byte_of_it() -> None:
    secret = [(name, b"secret") for name in (b"authorization", b"cookie", b"proxy-authorization", b"x-api-key")]

    read = head(*secret, (b"x-name", b"J\xf6rg \xff"), (b"x-name", b" last "))

    assert read.public == {"x-name": " last "}
    assert head((b"x-name", b"J\xf6rg \xff")).public == {"x-name": "J\xf6rg \xff"}


@pytest.mark.parametrize(
    ("query", "session"),
    [
        (b"", ""),
        (b"session_id=abc", "abc"),
        (b"a=b&session_id=a%2Bc", "a+c"),
        (b"session_id=a&session_id=b", "b"),
        (b"session_id=a&session_id=", ""),
        (b"session_id", ""),
        (b"session_id=\xff", "\xff"),
    ],
)
def test_the_session_of_the_query_is_the_last_one_named(query: bytes, session: str) -> None:
    assert head(query=query).query_session_id == session


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ((), "both"),
        (("*/*",), "both"),
        (("APPLICATION/json;q=0.5, text/*",), "both"),
        (("application/json,text/event-stream",), "both"),
        (("text/event-stream ,\tapplication/json;charset=utf-8",), "both"),
        (("text/event-stream", "application/json"), "both"),
        (("text/html", "*/*;q=0.1"), "both"),
        (("application/json",), "json"),
        (("application/*",), "json"),
        (("application/json, text/event-stream;q=0",), "json"),
        (("*/*", "text/event-stream; Q=0.000"), "json"),
        (("*/*, text/*;q=0",), "json"),
        (("text/event-stream",), "events"),
        (("*/*;q=0, text/event-stream;q=0.001",), "events"),
        (("text/event-stream;q=0, text/event-stream",), "events"),
        (("",), "neither"),
        (("text/html, application/xml;q=0.9",), "neither"),
        (("*/*;q=0",), "neither"),
        (("application/jsonp", "text/event-stream;q=0"), "neither"),
    ],
)
def test_a_client_takes_what_it_names_and_anything_when_it_names_nothing(sent: tuple[str, ...], taken: str) -> None:
    """RFC 9110: several lines are one list (5.3), the most specific range counts (12.5.1), and 0 is "not" (12.4.2)."""
    read = head(*((b"accept", line.encode()) for line in sent))

    names = {(True, True): "both", (True, False): "json", (False, True): "events", (False, False): "neither"}
    assert names[read.takes_json, read.takes_events] == taken


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (("2025-11-25",), "2025-11-25"),
        (("2025-11-25, 2025-11-25",), "2025-11-25"),
        (("2025-11-25,2025-11-25 ,\t2025-11-25",), "2025-11-25"),
        (("2025-11-25", " 2025-11-25 "), "2025-11-25"),
        (("2026-07-28, 2026-07-28", "2026-07-28"), "2026-07-28"),
        (("2025-11-25, 2025-06-18",), "2025-11-25, 2025-06-18"),
        (("2025-11-25", "2025-06-18"), "2025-11-25, 2025-06-18"),
        (("2025-11-25,",), "2025-11-25,"),
        (("2025-11-25 2025-11-25",), "2025-11-25 2025-11-25"),
        (("2025-11-25; 2025-11-25",), "2025-11-25; 2025-11-25"),
        ((), ""),
    ],
)
def test_identical_copies_of_a_revision_count_as_one_and_different_ones_do_not(
    sent: tuple[str, ...], read: str
) -> None:
    named = head(*((b"mcp-protocol-version", line.encode()) for line in sent))

    named.join_versions(ClientHabits())

    assert named.protocol_version == read


@pytest.mark.parametrize(
    ("method", "header", "is_for_person"),
    [
        ("GET", (b"sec-fetch-mode", b"Navigate"), True),
        ("POST", (b"sec-fetch-mode", b"navigate"), False),
        ("GET", (b"sec-fetch-mode", b"cors"), False),
        ("GET", (b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8"), True),
        ("GET", (b"accept", b"text/html, text/event-stream"), False),
        ("GET", (b"accept", b"*/*"), False),
        ("POST", (b"accept", b"text/html"), False),
        ("DELETE", (b"accept", b"text/html"), False),
    ],
)
def test_only_a_get_shows_a_person_its_response(method: str, header: tuple[bytes, bytes], is_for_person: bool) -> None:
    assert head(header, method=method).is_for_person is is_for_person


def test_the_type_of_a_body_is_known_whatever_its_parameters() -> None:
    assert head((b"content-type", b"Application/JSON ; charset=utf-8")).content_type == "application/json"


def test_where_the_application_is_mounted_is_part_of_the_head() -> None:
    assert (head().root_path, head(root_path="/tickets").root_path) == ("", "/tickets")
