"""A browser without scripts at the admin pages, and tables to upload."""

from __future__ import annotations

import http.client
import re
import uuid
from html import unescape
from urllib.parse import urlencode, urlsplit

from program import Answer

TOKEN = "a-token-for-tests-0123"
SIGNS = "天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋收冬藏閏餘成歲律呂調陽"


def verse(number: int) -> str:
    return "，".join("".join(SIGNS[(number * 7 + at * 5 + line) % 32] for at in range(7)) for line in range(4))


def table(*numbers: int, rank: str = "上上") -> bytes:
    rows = "".join(f"{at},{verse(at)},{rank},The tide is even {at}.\n" for at in numbers)
    return f"籤號,詩文,等第,Meaning\n{rows}".encode()


class Visitor:
    """Keeps its cookies; follows no redirect."""

    def __init__(self, base: str) -> None:
        self.netloc = urlsplit(base).netloc
        self.cookies: dict[str, str] = {}
        self.form = ""

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        sent = {"Accept-Language": "en", "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(self.netloc, timeout=60)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            pairs = response.getheaders()
            answer = Answer(response.status, {k.lower(): v for k, v in pairs}, response.read())
        finally:
            connection.close()
        for name, value in pairs:
            if name.lower() == "set-cookie" and (found := re.match(r"(\w+)=([^;]*)", value)):
                self.cookies[found[1]] = found[2]
        if found := re.search(rb'name="form" value="(\w+)"', answer.body):
            self.form = found[1].decode()
        return answer

    def get(self, path: str) -> Answer:
        return self.call("GET", path)

    def send(
        self, path: str, *, form: str | None = None, headers: dict[str, str] | None = None, **fields: str
    ) -> Answer:
        """Send a form, with the token of the page seen last (or `form`)."""
        body = urlencode({"form": self.form if form is None else form, **fields}).encode()
        return self.call("POST", path, body, content_type="application/x-www-form-urlencoded", **(headers or {}))

    def sign_in(self, token: str = TOKEN) -> Answer:
        answer = self.send("/admin/sign-in", token=token)
        if answer.status == 303:
            self.get("/admin/collections")
        return answer

    def upload(self, file: str, held: bytes, /, *, form: str | None = None, **fields: str) -> Answer:
        kind, body = multipart(file, held, {"form": self.form if form is None else form, **fields})
        return self.call("POST", "/admin/collections", body, content_type=kind)


def multipart(name: str, held: bytes, fields: dict[str, str]) -> tuple[str, bytes]:
    """Content type and body of a form with its fields first and then one file."""
    mark = uuid.uuid4().hex
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{held}\r\n' for key, held in fields.items()
    ]
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return f"multipart/form-data; boundary={mark}", "".join(
        [*parts, head]
    ).encode() + held + f"\r\n--{mark}--\r\n".encode()


def fields_of(page: Answer) -> dict[str, str]:
    """What a form that mends holds, as a browser would send it."""
    text = page.body.decode()
    form = text[text.index('id="mend"') :]
    found = {name: unescape(value) for name, value in re.findall(r'<input[^>]* name="([^"]+)" value="([^"]*)"', form)}
    found |= {
        name: unescape(value).removeprefix("\n")
        for name, value in re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL)
    }
    for name, options in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found
