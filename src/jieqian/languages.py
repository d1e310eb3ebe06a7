"""The four languages of a reading, and the tags they are asked for by."""

from __future__ import annotations

from enum import StrEnum

from jieqian.errors import UnsupportedLanguage

AUTO = "auto"


class Language(StrEnum):
    """A language a reading can be written in (BCP 47 tags)."""

    ZH_HANT = "zh-Hant"
    ZH_HANS = "zh-Hans"
    EN = "en"
    JA = "ja"

    @property
    def is_chinese(self) -> bool:
        """Whether this is Chinese in either script."""
        return self in (Language.ZH_HANT, Language.ZH_HANS)


# A region tells the script it prints in; plain Chinese is the collections' own, Traditional.
_CHINESE: dict[str, Language] = {
    "hant": Language.ZH_HANT,
    "hans": Language.ZH_HANS,
    "tw": Language.ZH_HANT,
    "hk": Language.ZH_HANT,
    "mo": Language.ZH_HANT,
    "cht": Language.ZH_HANT,
    "cn": Language.ZH_HANS,
    "sg": Language.ZH_HANS,
    "my": Language.ZH_HANS,
    "chs": Language.ZH_HANS,
}
_LONGEST_TAG = 35


def named_language(asked: str | None) -> Language | None:
    """The language a tag asks for; None for `auto`, an empty tag or none at all.

    Case and `_` for `-` do not matter. Regions are understood (`zh-TW`, `zh-HK`, `zh-CN`, `en-US`, `ja-JP`); a script
    wins over a region (`zh-Hant-CN`); plain `zh` is Traditional Chinese. Raises `UnsupportedLanguage`.
    """
    tag = (asked or "").strip()
    if tag.lower() in ("", AUTO):
        return None
    primary, *subtags = tag.lower().replace("_", "-").split("-")
    if len(tag) > _LONGEST_TAG or not all(part.isascii() and part.isalnum() for part in (primary, *subtags)):
        raise UnsupportedLanguage
    if primary in ("en", "ja"):
        return Language(primary)
    if primary == "zh":
        return next((_CHINESE[part] for part in subtags if part in _CHINESE), Language.ZH_HANT)
    raise UnsupportedLanguage
