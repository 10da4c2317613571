"""A cache by secrets: bounded, and without the secrets."""

import pickle

from shared.blind_cache import BlindCache


def test_a_value_is_found_by_its_secret_alone() -> None:
    cache = BlindCache[int](3)
    cache.put("secret", 1)

    assert (cache.get("secret"), cache.get("Secret"), cache.get("")) == (1, None, None)
    cache.discard("secret")
    cache.discard("unknown")
    assert (cache.get("secret"), len(cache)) == (None, 0)


def test_the_least_recently_used_secret_is_evicted() -> None:
    cache = BlindCache[int](2)
    for number, secret in enumerate("ab"):
        cache.put(secret, number)
    cache.get("a")
    cache.put("c", 2)

    assert [cache.get(secret) for secret in "abc"] == [0, None, 2]


def test_no_secret_is_kept_and_no_two_caches_have_the_same_digest() -> None:
    one, other = BlindCache[int](2), BlindCache[int](2)
    for cache in (one, other):
        cache.put("the-key-of-a-client", 1)

    assert b"the-key-of-a-client" not in pickle.dumps(one._values)
    assert not {*one._values._entries} & {*other._values._entries}
