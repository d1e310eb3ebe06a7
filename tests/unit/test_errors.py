"""The tree of exceptions: what each tells a caller."""

import inspect
import re

import pytest

from jieqian import errors
from jieqian.errors import JieqianError, ModelError, PackError, QueueFull, RequestError

EVERY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, JieqianError)]
CODES = {
    "MalformedJson": ("malformed_json", 400),
    "InvalidApiKey": ("invalid_api_key", 401),
    "CrossSiteRequest": ("cross_site_request", 403),
    "UnknownCollection": ("unknown_collection", 404),
    "UnknownLot": ("unknown_lot", 404),
    "UnknownTask": ("unknown_task", 404),
    "UnknownDraw": ("unknown_draw", 404),
    "UnknownParent": ("unknown_parent", 404),
    "UnknownFaqEntry": ("unknown_faq_entry", 404),
    "RequestTimeout": ("request_timeout", 408),
    "DrawAlreadyRevealed": ("draw_already_revealed", 409),
    "QuestionTooLong": ("question_too_long", 413),
    "BodyTooLarge": ("body_too_large", 413),
    "HeadersTooLarge": ("headers_too_large", 431),
    "InvalidLot": ("invalid_lot", 422),
    "InvalidQuestion": ("invalid_question", 422),
    "UnsupportedLanguage": ("unsupported_language", 422),
    "UnknownMode": ("unknown_mode", 422),
    "UnknownStrategy": ("unknown_strategy", 422),
    "IdempotencyMismatch": ("idempotency_mismatch", 422),
    "DrawMismatch": ("draw_mismatch", 422),
    "RateLimited": ("rate_limited", 429),
    "QueueFull": ("queue_full", 429),
    "StoreError": ("store_error", 503),
}


def make(kind: type[JieqianError]) -> JieqianError:
    return kind("A pack is wrong.") if kind is PackError else kind()


@pytest.mark.parametrize("kind", EVERY)
def test_every_error_has_a_sentence_a_code_and_a_status(kind: type[JieqianError]):
    problem = make(kind).problem()
    assert {"type", "title", "status", "detail", "code", "retryable"} <= problem.keys()
    assert problem["detail"][0].isupper()
    assert problem["detail"].endswith(".")
    assert "\n" not in problem["detail"]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", problem["code"])
    assert 400 <= problem["status"] < 600


@pytest.mark.parametrize("kind", EVERY)
def test_the_modules_tree_names_every_error(kind: type[JieqianError]):
    assert re.search(rf"\b{kind.__name__}\b", errors.__doc__ or "")


def test_codes_are_each_ones_own():
    codes = [kind.code for kind in EVERY]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(("name", "told"), CODES.items(), ids=CODES)
def test_codes_and_statuses_stay_as_they_are(name: str, told: tuple[str, int]):
    problem = getattr(errors, name)().problem()
    assert (problem["code"], problem["status"]) == told


@pytest.mark.parametrize("kind", EVERY)
def test_a_retry_is_advised_only_where_the_same_request_may_pass(kind: type[JieqianError]):
    if kind.retryable:
        assert kind.status in (408, 429) or kind.status >= 500
    if issubclass(kind, RequestError):
        assert kind.status < 500


def test_a_server_that_refuses_is_not_asked_again():
    helps = {kind.__name__ for kind in EVERY if issubclass(kind, ModelError) and kind.retryable}
    assert helps == {
        *("ModelError", "ModelUnreachable", "ModelBusy", "ModelTimeout", "FirstTokenTimeout", "ModelStalled"),
        "ModelCutOff",
    }


def test_a_sentence_and_fields_of_its_own():
    problem = QueueFull("The queue of this temple is full.", retry_after=30).problem()
    assert problem["detail"] == "The queue of this temple is full."
    assert problem["retry_after"] == 30
    assert problem["title"] == "Queue full"
    assert str(QueueFull("Full.")) == "Full."


def test_a_pack_error_says_where():
    assert str(PackError("line missing", file="lots.jsonl", line=7)) == "lots.jsonl:7: line missing"
    assert str(PackError("line missing", file="lots.jsonl")) == "lots.jsonl: line missing"
    assert str(PackError("line missing")) == "line missing"
