"""The entry that was not used for the longest time is evicted first."""

from shared.lru import LRUCache


def cache_of(*keys: str, max_entries: int = 3) -> LRUCache[str, int]:
    cache: LRUCache[str, int] = LRUCache(max_entries)
    for number, key in enumerate(keys):
        cache.put(key, number)
    return cache


def kept(cache: LRUCache[str, int], among: str = "abcd") -> dict[str, int]:
    return {key: value for key in among if (value := cache.get(key)) is not None}


def test_the_oldest_entry_makes_room() -> None:
    cache = cache_of("a", "b", "c", "d")

    assert kept(cache) == {"b": 1, "c": 2, "d": 3}
    assert len(cache) == 3


def test_what_is_read_or_stored_again_stays() -> None:
    cache = cache_of("a", "b", "c", "a")
    assert cache.get("b") == 1
    cache.put("d", 4)

    assert kept(cache) == {"a": 3, "b": 1, "d": 4}


def test_a_falsy_value_is_a_value() -> None:
    assert cache_of("a").get("a") == 0


def test_discarded_and_cleared_entries_are_gone() -> None:
    cache = cache_of("a", "b")
    cache.discard("a")
    cache.discard("never stored")
    assert kept(cache) == {"b": 1}

    cache.clear()
    assert len(cache) == 0
