"""Sizes and storms are what the page says, grow as they should, and hold at every size."""

from dataclasses import replace
from itertools import pairwise

import pytest

from capacity.figures import Figures, figures, prices
from capacity.page import PAGE, page, sizes, storms
from capacity.sizing import Size, bottleneck, size
from capacity.storm import QUEUE_S, storm


def test_the_page_says_what_is_computed() -> None:
    text = PAGE.read_text("utf-8")

    assert page(text) == text, "run `python -m capacity`, then read the diff"


def test_more_users_never_need_less() -> None:
    counts = [1, 10, 100, 1_000, 5_000, 20_000, 100_000]
    for is_sse in (True, False):
        needed = [size(users, figures(), prices(), is_sse=is_sse) for users in counts]
        for smaller, larger in pairwise(needed):
            assert larger.instances >= smaller.instances
            assert larger.api_instances >= smaller.api_instances
            assert larger.yen >= smaller.yen


def costlier(known: Figures, factor: float) -> Figures:
    return replace(known, server={name: factor * value for name, value in known.server.items()})


def test_a_costlier_call_needs_more_instances() -> None:
    now = size(100_000, figures(), prices(), is_sse=False)
    then = size(100_000, costlier(figures(), 3), prices(), is_sse=False)

    assert then.instances > 2 * now.instances


@pytest.mark.parametrize("one", sizes(), ids=lambda one: f"{one.users}-{'sse' if one.is_sse else 'streamable'}")
def test_what_is_called_too_small_first_is_so_beyond_the_number_named(one: Size) -> None:
    first, most = bottleneck(one, figures(), prices())
    more = size(most + 1, figures(), prices(), is_sse=one.is_sse)

    assert most >= one.users
    assert size(most, figures(), prices(), is_sse=one.is_sse).layout == one.layout != more.layout
    assert one.shares[first] <= 1


@pytest.mark.parametrize("one", [one for one in sizes() if one.is_sse], ids=lambda one: str(one.users))
def test_after_a_storm_every_client_is_back_within_seconds(one: Size) -> None:
    for came in storms(one, figures()):
        assert came.refused == 0
        assert came.longest_wait_s < QUEUE_S / 2
        assert came.back_s < 10


def test_too_few_instances_refuse_clients_that_come_again() -> None:
    few = storm(20_000, 1, connect_s=0.001, busy=0.5, retry_s=(0.5, 3.0))
    enough = storm(20_000, 20, connect_s=0.001, busy=0.5, retry_s=(0.5, 3.0))

    assert few.refused > 0
    assert few.longest_wait_s <= QUEUE_S + 0.002
    assert few.back_s > 40
    assert enough.refused == 0


def test_the_random_time_to_come_again_is_what_keeps_waits_short() -> None:
    spread = storm(2_000, 4, connect_s=0.002, busy=0.5, retry_s=(0.5, 3.0))
    at_once = storm(2_000, 4, connect_s=0.002, busy=0.5, retry_s=(0.5, 0.5))

    assert spread.longest_wait_s < at_once.longest_wait_s / 2


def test_nothing_comes_back_where_no_time_is_left() -> None:
    lost = storm(1_000, 1, connect_s=10.0, busy=0.9, retry_s=(0.5, 3.0))

    assert lost.back_s == float("inf")
