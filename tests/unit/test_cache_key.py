"""A kept answer is never someone else's: no two requests that differ in one part share a key."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jieqian.cache.key import KeyParts, key_of, same_words

SECRET = "a secret"
_TEXT = st.text(max_size=12)
_VALUES = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(0, 2), _TEXT)
PARTS = st.builds(
    KeyParts,
    collection=_TEXT,
    lot=st.integers(1, 100),
    lot_hash=_TEXT,
    language=st.sampled_from(["zh-Hant", "zh-Hans", "en", "ja"]),
    mode=st.sampled_from(["fast", "quality"]),
    strategy=st.sampled_from(["sequential", "parallel"]),
    variant=_TEXT,
    provider=st.sampled_from(["ollama", "openai", "llamacpp"]),
    model=_TEXT,
    weights=_TEXT,
    template_version=_TEXT,
    options=st.dictionaries(_TEXT, _VALUES, max_size=4),
    parent_hash=_TEXT,
    corpus_version=_TEXT,
    question=_TEXT,
)
NAMES = [part.name for part in fields(KeyParts)]


@settings(max_examples=5000, deadline=None)
@given(one=PARTS, other=PARTS, name=st.sampled_from(NAMES))
def test_requests_that_differ_in_one_part_never_share_a_key(one: KeyParts, other: KeyParts, name: str):
    changed = replace(one, **{name: getattr(other, name)})
    same = repr(getattr(one, name)) == repr(getattr(changed, name)) or one == changed
    assert (key_of(one, SECRET) == key_of(changed, SECRET)) is same


@settings(max_examples=500, deadline=None)
@given(one=PARTS, other=PARTS)
def test_text_never_moves_from_one_part_into_the_next(one: KeyParts, other: KeyParts):
    if one != other and repr(one) != repr(other):
        assert key_of(one, SECRET) != key_of(other, SECRET)


def test_another_secret_is_another_key():
    parts = KeyParts(**{name: "" for name in NAMES} | {"lot": 1, "options": {}})
    assert key_of(parts, "one") != key_of(parts, "two")
    assert len(key_of(parts, "one")) == 64


@pytest.mark.parametrize(
    "written",
    [
        "Will she write back?",
        "  will she  write\tback?\n",
        "WILL SHE WRITE BACK?",
        "Ｗill she write back？",
        "will she write back？",
    ],
)
def test_the_same_words_are_one_question(written: str):
    assert same_words(written) == "will she write back?"


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=40))
def test_what_was_made_the_same_stays_the_same(question: str):
    assert same_words(same_words(question)) == same_words(question)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Will she write back?", "Will he write back?"),
        ("她還會回信給我嗎", "她还会回信给我吗"),
        ("Should I go?", "Should I go"),
        ("他會回來嗎？", "她會回來嗎？"),
    ],
)
def test_other_words_are_another_question(one: str, other: str):
    assert same_words(one) != same_words(other)
