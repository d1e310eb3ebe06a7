"""What the pages say, in four languages, and which of them a visitor reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache

from starlette.requests import Request

from jieqian.errors import UnsupportedLanguage
from jieqian.languages import Language, named_language
from jieqian.web.catalogues import read_texts

#: The cookie that keeps the visitor's choice of language.
LANGUAGE_COOKIE = "jieqian_language"
#: Keys under this go to the page's scripts too.
LIVE = "live."
ERROR = "error."
#: Each language in its own words.
LANGUAGE_NAMES: Mapping[Language, str] = {
    Language.ZH_HANT: "繁體中文",
    Language.ZH_HANS: "简体中文",
    Language.EN: "English",
    Language.JA: "日本語",
}
_MOST_PREFERENCES = 20


@lru_cache(maxsize=1)
def catalogue() -> dict[str, dict[str, str]]:
    """Every text: by key (`form.title`), then by language tag."""
    spoken = {language: read_texts(language) for language in Language}
    keys = dict.fromkeys(key for texts in spoken.values() for key in texts)
    return {
        key: {language.value: texts[key].general for language, texts in spoken.items() if key in texts} for key in keys
    }


class Texts:
    """The texts in one language: `texts("form.choice", name="…", size=100)`. Raises `KeyError` for an unknown key."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._texts = read_texts(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text with `{name}` filled in, in the form for the number it counts."""
        return self._texts[key].filled(values)

    def has(self, key: str) -> bool:
        """Whether there is such a text."""
        return key in self._texts

    def for_scripts(self) -> str:
        """The texts under `live`, as a JSON object."""
        live = {key.removeprefix(LIVE): text.general for key, text in self._texts.items() if key.startswith(LIVE)}
        return json.dumps(live, ensure_ascii=False)

    def for_faults(self) -> str:
        """What each error a caller may meet is called on a page, as a JSON object by code."""
        faults = {key.removeprefix(ERROR): text.general for key, text in self._texts.items() if key.startswith(ERROR)}
        return json.dumps(faults, ensure_ascii=False)


def page_language(request: Request) -> Language:
    """What the visitor reads: `?lang=`, else their earlier choice, else their browser's, else Traditional Chinese."""
    asked = (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE))
    return _first_known((*asked, *_preferences(request.headers.get("accept-language", ""))))


def frame_language(request: Request) -> Language:
    """The same for a page of the widget, which reads no cookie."""
    return _first_known((request.query_params.get("lang"), *_preferences(request.headers.get("accept-language", ""))))


def chosen_language(request: Request) -> Language | None:
    """The language this very request chooses by `?lang=`, to be remembered."""
    return known_language(request.query_params.get("lang"))


def _first_known(tags: Iterable[str | None]) -> Language:
    return next((language for tag in tags if (language := known_language(tag)) is not None), Language.ZH_HANT)


def known_language(tag: str | None) -> Language | None:
    """The language of that tag; None for none, and for one that is not offered."""
    try:
        return named_language(tag)
    except UnsupportedLanguage:
        return None


def _preferences(header: str) -> list[str]:
    """The tags of an Accept-Language header (RFC 9110, 12.5.4), most wanted first."""
    weighed: list[tuple[float, str]] = []
    for entry in header.split(",")[:_MOST_PREFERENCES]:
        tag, _, parameter = entry.partition(";")
        weight = parameter.strip().removeprefix("q=") if parameter else "1"
        try:
            weighed.append((float(weight), tag.strip()))
        except ValueError:
            continue
    return [tag for weight, tag in sorted(weighed, key=lambda pair: -pair[0]) if weight > 0]
