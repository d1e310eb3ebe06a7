"""The operator's sign-in for the admin pages: a cookie of its own, which opens the pages and nothing else.

It is signed with a key made of SECRET_KEY and ADMIN_TOKEN, so a change of either ends every sign-in. The session cookie
of askers has another name, salt and key; the API takes ADMIN_TOKEN alone, as `Authorization: Bearer`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from itsdangerous import BadSignature, TimestampSigner
from starlette.requests import Request
from starlette.responses import Response

from jieqian.api.addresses import base_path_of
from jieqian.api.callers import limited_as
from jieqian.errors import CrossSiteRequest, NotSignedIn
from jieqian.tasks.limits import SHARED, RateLimit

COOKIE = "jieqian_operator"
SECONDS = 12 * 3600
#: Wrong tokens a caller may send in a minute; all callers together eight times as many.
GUESSES_PER_MINUTE = 5
_EVERYBODY = f"{SHARED}sign-in"
#: Sign-outs remembered; older ones have mostly run out by themselves.
_MOST_SIGNED_OUT = 1_000
_LONGEST_TOKEN = 1_024


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One sign-in. `form_token` goes into each form it is shown, and has to come back."""

    id: str
    form_token: str

    def expect(self, form_token: str | None) -> None:
        """Raises `NotSignedIn` for a form that is not of this sign-in."""
        if not form_token or not hmac.compare_digest(form_token.encode(), self.form_token.encode()):
            raise NotSignedIn


class SignIns:
    """Who may see the admin pages. Without ADMIN_TOKEN nobody may."""

    def __init__(self, secret: str, admin_token: str | None, *, seconds: int = SECONDS) -> None:
        self._seconds = seconds
        self._token_hash = hashlib.sha256(admin_token.encode()).digest() if admin_token else None
        self._key = hmac.digest(secret.encode(), b"jieqian.operator\0" + (admin_token or "").encode(), "sha256")
        self._signer = TimestampSigner(self._key, salt="jieqian.operator")
        self._guesses = RateLimit(GUESSES_PER_MINUTE)
        self._signed_out: OrderedDict[str, None] = OrderedDict()

    @property
    def possible(self) -> bool:
        """Whether ADMIN_TOKEN is set."""
        return self._token_hash is not None

    def is_right(self, request: Request, token: str) -> bool:
        """Whether that is ADMIN_TOKEN. Raises `RateLimited` after some wrong ones; a right one costs nothing."""
        if self._token_hash is None:
            return False
        guessers = (*limited_as(request), _EVERYBODY)
        self._guesses.take(*guessers)
        given = hashlib.sha256(token[:_LONGEST_TOKEN].encode("utf-8", "replace")).digest()
        if not hmac.compare_digest(given, self._token_hash):
            return False
        self._guesses.give_back(*guessers)
        return True

    def of(self, request: Request) -> SignedIn | None:
        """The sign-in of the request's cookie, or None."""
        value = request.cookies.get(COOKIE)
        if value is None or not self.possible:
            return None
        try:
            sign_in = self._signer.unsign(value, max_age=self._seconds).decode("ascii")
        except (BadSignature, UnicodeError):
            return None
        if sign_in in self._signed_out:
            return None
        return SignedIn(sign_in, hmac.new(self._key, f"form:{sign_in}".encode(), "sha256").hexdigest())

    def expect(self, request: Request) -> SignedIn:
        """As `of`; raises `NotSignedIn`."""
        signed = self.of(request)
        if signed is None:
            raise NotSignedIn
        return signed

    def begin(self, request: Request, response: Response) -> None:
        """Give the cookie with this answer."""
        value = self._signer.sign(secrets.token_urlsafe(18)).decode("ascii")
        self._set(request, response, value, self._seconds)

    def end(self, request: Request, response: Response, signed: SignedIn) -> None:
        """Sign out: the cookie goes, and a copy of it opens nothing."""
        self._signed_out[signed.id] = None
        while len(self._signed_out) > _MOST_SIGNED_OUT:
            self._signed_out.popitem(last=False)
        self._set(request, response, "", 0)

    def _set(self, request: Request, response: Response, value: str, seconds: int) -> None:
        response.set_cookie(
            COOKIE,
            value,
            max_age=seconds,
            path=f"{base_path_of(request)}/admin",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )


def expect_own_page(request: Request) -> None:
    """Raises `CrossSiteRequest` for a form of another site: here also of those in CORS_ORIGINS."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host", ""):
        raise CrossSiteRequest
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise CrossSiteRequest
