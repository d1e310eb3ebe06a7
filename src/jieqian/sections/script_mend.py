"""Puts single characters that slipped into the other Chinese script back into the asked one.

Small models asked for Traditional Chinese drift into Simplified in mid-sentence; asking again costs half a minute and
ends no better. Only characters that exist in one script alone are changed, each by itself, so what was shown of a
growing text never changes: 时 becomes 時, while 后, 里 and 干, which both scripts have, stay. English and Japanese are
left as they are.
"""

from __future__ import annotations

from jieqian.languages import Language
from jieqian.lots.script import changed_forms, is_simplified_form, is_traditional_form, to_simplified


def mend_script(text: str, language: Language) -> str:
    """The text with each character of the other script in the asked one's form; same number of characters."""
    if language is Language.ZH_HANT:
        return text.translate(_TO_TRADITIONAL)
    if language is Language.ZH_HANS:
        return text.translate(_TO_SIMPLIFIED)
    return text


def warm_up() -> None:
    """Loads both tables, which the first slip would else make the event loop wait for."""
    mend_script("时", Language.ZH_HANT)
    mend_script("時", Language.ZH_HANS)


class _Forms(dict[int, int]):
    """What each character becomes, worked out when it is first met."""

    def __init__(self, *, traditional: bool) -> None:
        super().__init__()
        self._traditional = traditional

    def __missing__(self, code: int) -> int:
        own = chr(code)
        form = own
        if code >= _FIRST_HAN:
            if self._traditional and is_simplified_form(own):
                form = changed_forms("s2tw").get(own, own)
            elif not self._traditional and is_traditional_form(own):
                form = to_simplified(own)
        self[code] = ord(form) if len(form) == 1 else code
        return self[code]


_FIRST_HAN = 0x3400
_TO_TRADITIONAL = _Forms(traditional=True)
_TO_SIMPLIFIED = _Forms(traditional=False)
