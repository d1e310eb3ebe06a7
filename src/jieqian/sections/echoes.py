"""Takes off a section's beginning the words by which the order described it: small models copy them as a heading."""

from __future__ import annotations

from collections.abc import Mapping

from jieqian.languages import Language
from jieqian.prompt.versions import TEMPLATE_VERSION, version_of
from jieqian.sections.section import SectionName

_LEADING = " \n「『“‘\"'《〈（(【["
_FOLLOWING = " \n」』”’\"'》〉）)】]：:。.；;－—–-"


def about(language: Language, template: str = TEMPLATE_VERSION) -> Mapping[str, str]:
    """What the order says each section is about, by the section's name; `line_by_line` is not among them."""
    return version_of(template).about[language.value]


def without_echo(
    text: str, section: SectionName, language: Language, *, grows: bool, template: str = TEMPLATE_VERSION
) -> str:
    """The text without its own description before it, where a colon, an end or a bracket sets that apart.

    `grows`: more may follow. Then "" is given while the beginning is still open, so that every answer is a beginning
    of the next.
    """
    description = about(language, template).get(section.value)
    if description is None:
        return text
    bare, folded = text.lstrip(_LEADING), description.casefold()
    if not bare.casefold().startswith(folded):
        return "" if grows and folded.startswith(bare.casefold()) else text
    rest = bare[len(description) :]
    if rest and rest.lstrip(" ")[:1] not in _FOLLOWING:
        return text
    return rest.lstrip(_FOLLOWING)
