"""The operator's cookie and form token, and bodies that may take longer: without a server."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from starlette.requests import Request
from starlette.responses import Response

from jieqian.api.transport import BODY_SECONDS, FILE_SECONDS, Uploads
from jieqian.errors import CrossSiteRequest, NotSignedIn, RateLimited
from jieqian.web.sign_in import COOKIE, GUESSES_PER_MINUTE, SignIns, expect_own_page

TOKEN = "a-token-of-the-tests"


def request(
    cookie: str | None = None, *, scheme: str = "http", root: str = "", caller: str = "a", **headers: str
) -> Request:
    sent: Mapping[str, str] = {"host": "lots.test", **headers, **({"cookie": f"{COOKIE}={cookie}"} if cookie else {})}
    return Request(
        {
            "type": "http",
            "method": "POST",
            "scheme": scheme,
            "path": "/",
            "root_path": root,
            "query_string": b"",
            "server": ("lots.test", 80),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()],
            "state": {"limited_as": (caller,)},
        }
    )


def cookie_of(sign_ins: SignIns, **how: str) -> str:
    response = Response()
    sign_ins.begin(request(**how), response)  # type: ignore[arg-type]
    return response.headers["set-cookie"]


def value_of(sign_ins: SignIns) -> str:
    return cookie_of(sign_ins).partition("=")[2].partition(";")[0]


def test_the_cookie_is_bound_to_both_secrets_and_to_time() -> None:
    value = value_of(SignIns("secret", TOKEN))
    assert SignIns("secret", TOKEN).of(request(value)) is not None
    for other in (SignIns("secret2", TOKEN), SignIns("secret", f"{TOKEN}2"), SignIns("secret", None)):
        assert other.of(request(value)) is None
        with pytest.raises(NotSignedIn):
            other.expect(request(value))
    assert SignIns("secret", TOKEN, seconds=-1).of(request(value)) is None
    assert SignIns("secret", TOKEN).of(request()) is None


def test_where_the_cookie_is_sent() -> None:
    sign_ins = SignIns("secret", TOKEN)
    assert "Path=/admin;" in cookie_of(sign_ins)
    assert "Secure" not in cookie_of(sign_ins)
    under = cookie_of(sign_ins, root="/jieqian", scheme="https")
    for part in ("Path=/jieqian/admin;", "Secure", "HttpOnly", "SameSite=strict"):
        assert part in under


def test_each_sign_in_has_a_form_token_of_its_own() -> None:
    sign_ins = SignIns("secret", TOKEN)
    one, other = (sign_ins.expect(request(value_of(sign_ins))) for _ in range(2))
    one.expect(one.form_token)
    for wrong in (None, "", other.form_token, one.id, "é"):
        with pytest.raises(NotSignedIn):
            one.expect(wrong)


def test_signing_out_ends_one_sign_in_alone() -> None:
    sign_ins = SignIns("secret", TOKEN)
    one, other = value_of(sign_ins), value_of(sign_ins)
    response = Response()
    sign_ins.end(request(one), response, sign_ins.expect(request(one)))
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert (sign_ins.of(request(one)), sign_ins.of(request(other)) is not None) == (None, True)


def test_guesses_are_few_for_each_and_for_all_and_a_right_token_costs_nothing() -> None:
    sign_ins = SignIns("secret", TOKEN)
    assert all(sign_ins.is_right(request(), TOKEN) for _ in range(100))
    assert not any(sign_ins.is_right(request(), wrong) for wrong in ("", "é", TOKEN[:-1], f"{TOKEN} ", "\ud800"))
    with pytest.raises(RateLimited):
        sign_ins.is_right(request(), TOKEN)
    assert sign_ins.is_right(request(caller="b"), TOKEN)
    for guess in range(8 * GUESSES_PER_MINUTE - 5):
        assert not sign_ins.is_right(request(caller=f"c{guess}"), "guess")
    with pytest.raises(RateLimited):
        sign_ins.is_right(request(caller="another"), "guess")


def test_without_a_token_nobody_is_right() -> None:
    sign_ins = SignIns("secret", None)
    assert not sign_ins.possible
    assert not sign_ins.is_right(request(), "")


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({}, True),
        ({"origin": "https://lots.test"}, True),
        ({"origin": "https://lots.test", "sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "none"}, True),
        ({"origin": "null"}, False),
        ({"origin": "https://evil.test"}, False),
        ({"origin": "https://lots.test.evil.test"}, False),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
    ],
)
def test_whose_forms_are_taken(headers: dict[str, str], own: bool) -> None:
    if own:
        expect_own_page(request(**headers))
        return
    with pytest.raises(CrossSiteRequest):
        expect_own_page(request(**headers))


@pytest.mark.parametrize(
    ("path", "seconds"),
    [
        ("/admin/collections", FILE_SECONDS),
        ("/api/v1/admin/collections", FILE_SECONDS),
        ("/admin/collections/river/about", BODY_SECONDS),
        ("/admin/sign-in", BODY_SECONDS),
        ("/readings", BODY_SECONDS),
        ("/api/v1/tasks", BODY_SECONDS),
    ],
)
def test_only_a_file_may_take_longer(path: str, seconds: float) -> None:
    assert Uploads().seconds_for(path) == seconds
