"""The rate limit: a bucket for each name, a larger one for what many share."""

from __future__ import annotations

import pytest

from jieqian.errors import RateLimited
from jieqian.tasks.limits import SHARED, SHARED_TIMES, RateLimit


def taken(limit: RateLimit, *names: str, most: int = 1000) -> int:
    """How often in a row it lets these names through."""
    for count in range(most):
        try:
            limit.take(*names)
        except RateLimited:
            return count
    return most


def test_each_name_has_so_many_a_minute():
    limit = RateLimit(5)
    assert taken(limit, "one") == 5
    assert taken(limit, "other") == 5
    assert taken(RateLimit(0), "anyone", most=50) == 50


def test_many_sessions_of_one_address_share_its_bucket():
    limit = RateLimit(5)
    through = sum(taken(limit, f"session:{number}", f"{SHARED}192.0.2.4") for number in range(40))
    assert through == 5 * SHARED_TIMES


def test_where_one_name_has_nothing_left_nothing_is_taken_of_the_others():
    limit = RateLimit(5)
    assert taken(limit, "spent") == 5
    for _ in range(20):
        with pytest.raises(RateLimited):
            limit.take("fresh", "spent")
    assert taken(limit, "fresh") == 5


def test_what_is_given_back_may_be_taken_again():
    limit = RateLimit(2)
    limit.take("one", "other")
    limit.give_back("one", "other")
    limit.give_back("one", "other")
    assert (taken(limit, "one"), taken(limit, "other")) == (2, 2)
