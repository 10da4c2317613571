"""A ticket API's features are read from its `/health`, once a minute, and never guessed (case U13)."""

from typing import Any

import pytest

from shared.tickets import features
from shared.tickets.features import FEATURES, TOTAL_ORDER, FeatureReader
from tests.shared.given import World, hangs, refuses, responses


async def test_the_reference_api_has_every_feature_that_the_tools_know(reference: World) -> None:
    reader = FeatureReader(reference.api)

    assert [word for word in FEATURES if not await reader.has(word)] == []


async def test_the_existing_api_has_none(existing: World) -> None:
    reader = FeatureReader(existing.api)

    assert not any([await reader.has(word) for word in FEATURES])


async def test_it_is_asked_once_a_minute(existing: World) -> None:
    now = 0.0
    reader = FeatureReader(existing.api, clock=lambda: now)
    for now in (0.0, 1.0, 59.9):  # noqa: B007 - the clock reads it
        assert not await reader.has(TOTAL_ORDER)
    assert existing.wire.sent == [("GET", "/health")]

    existing.wire.when("GET", "/health", responses(200, {"status": "OK", "features": [TOTAL_ORDER]}))
    now = 60.0

    assert await reader.has(TOTAL_ORDER)
    assert len(existing.wire.sent) == 2


@pytest.mark.parametrize(
    "failure", [refuses, hangs, responses(500, {"error": "x"}), responses(200, html="<h1>hi</h1>")]
)
async def test_while_it_does_not_answer_what_it_said_last_counts(
    reference: World, monkeypatch: pytest.MonkeyPatch, failure: Any
) -> None:
    now = 0.0
    reader = FeatureReader(reference.api, clock=lambda: now)
    assert await reader.has(TOTAL_ORDER)
    monkeypatch.setattr(features, "ASK_S", 0.05)
    reference.wire.when("GET", "/health", failure, always=True)
    now = 60.0

    assert await reader.has(TOTAL_ORDER)


@pytest.mark.parametrize(
    "said",
    [
        {"status": "OK"},
        {"status": "OK", "features": None},
        {"status": "OK", "features": "total-order"},
        {"status": "OK", "features": {"total-order": True}},
        {"status": "OK", "features": [["total-order"], 1, None]},
        ["total-order"],
        "OK",
        None,
    ],
)
async def test_what_is_no_list_of_words_lists_nothing(existing: World, said: Any) -> None:
    existing.wire.when("GET", "/health", responses(200, said))

    assert not await FeatureReader(existing.api).has(TOTAL_ORDER)


async def test_an_api_without_the_path_lists_nothing_any_more(reference: World) -> None:
    now = 0.0
    reader = FeatureReader(reference.api, clock=lambda: now)
    assert await reader.has(TOTAL_ORDER)
    reference.wire.when("GET", "/health", responses(404, {"error": "not found"}), always=True)
    now = 60.0

    assert not await reader.has(TOTAL_ORDER)
