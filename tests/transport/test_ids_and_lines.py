"""Ids, progress tokens and texts come back as they were and end no line, with sessions in memory and in Valkey."""

from typing import Any, Final

import pytest

from tests.transport.http_client import call, http_client
from tests.transport.serving import bench
from tests.transport.sse_client import sse_session

pytestmark = pytest.mark.usefixtures("any_broker")
ME: Final = {"x-api-key": "key-me"}
TEXT: Final = "日本\u2028語\u2029\x85\x0b\x1c\r\n"
IDS: Final[tuple[str | int, ...]] = (2**53 + 1, -(2**63) - 1, 10**199, 0, TEXT, "9007199254740993")


async def test_an_id_and_a_text_come_back_as_they_were() -> None:
    async with bench() as at, http_client(at.url, ME) as http, sse_session(at.url, ME) as sse:
        for request in IDS:
            message = call(request, "echo", {"progressToken": request}, text=TEXT)
            response = (await http.post(message)).received[-1]
            await sse.post(message)
            received: list[dict[str, Any]] = [response, await sse.response(request)]
            assert [(one["id"], type(one["id"])) for one in received] == [(request, type(request))] * 2
            assert [one["result"]["content"][0]["text"] for one in received] == [TEXT] * 2
