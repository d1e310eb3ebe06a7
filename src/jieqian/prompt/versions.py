"""The versions of the prompt's templates: ours, and the operator's own beside them.

A version is a folder with `about.toml` and, for each language, `LANGUAGE.prefix.txt`, `.question.txt` and `.order.txt`.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from jieqian.errors import TemplatesRefused
from jieqian.languages import Language
from jieqian.prompt.fence import fenced

#: What readings are written with where no experiment says otherwise.
TEMPLATE_VERSION = "v1"
#: What a version may be called.
VERSION_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_PARTS = ("prefix", "question", "order")
_ABOUT = "about.toml"
_MOST_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """One version. `identity`: what its prompts are known by, also when the operator changes a text of it.

    `about`: by language and section's name, what the order says the section is about.
    """

    name: str
    identity: str
    templates: jinja2.Environment
    about: Mapping[str, Mapping[str, str]]

    def warm_up(self) -> None:
        """Compile every template."""
        for name in self.templates.list_templates():
            self.templates.get_template(name)


def read_version(folder: Path, *, ours: bool = False) -> TemplateVersion:
    """The version in that folder, named as the folder is. Blocks. Raises `TemplatesRefused`, which says why."""
    if not VERSION_NAME.fullmatch(folder.name):
        raise TemplatesRefused(f"templates/{folder.name}: a version's name has small letters, digits and hyphens only.")
    sources = {
        name: _read(folder / name)
        for name in (f"{language.value}.{part}.txt" for language in Language for part in _PARTS)
    }
    written = _read(folder / _ABOUT)
    try:
        about = tomllib.loads(written)
    except tomllib.TOMLDecodeError as error:
        raise TemplatesRefused(f"templates/{folder.name}/{_ABOUT} is no TOML: {error}.") from error
    lacking = [language.value for language in Language if not isinstance(about.get(language.value), dict)]
    if lacking:
        raise TemplatesRefused(f"templates/{folder.name}/{_ABOUT} has nothing for {', '.join(lacking)}.")
    whole = "\0".join([*(f"{name}\0{text}" for name, text in sources.items()), written])
    identity = folder.name if ours else f"{folder.name}:{hashlib.sha256(whole.encode()).hexdigest()[:16]}"
    version = TemplateVersion(folder.name, identity, _environment(sources), about)
    try:
        version.warm_up()
    except (jinja2.TemplateError, RecursionError) as error:
        where = getattr(error, "name", None) or "a template"
        raise TemplatesRefused(f"templates/{folder.name}/{where} is no template: {error}.") from error
    return version


def version_of(name: str | None) -> TemplateVersion:
    """The version of that name; where there is none (any more), the one in use without experiments."""
    return _versions.get(name or TEMPLATE_VERSION) or _versions[TEMPLATE_VERSION]


def version_names() -> tuple[str, ...]:
    """The versions there are, ours first."""
    return tuple(_versions)


def add_version(version: TemplateVersion) -> None:
    """Offer it. Raises `TemplatesRefused` for the name of one of ours."""
    if version.name in OURS:
        raise TemplatesRefused(f"templates/{version.name} has the name of a packaged version. Rename the folder.")
    _versions[version.name] = version


def forget_version(name: str) -> None:
    """Offer it no longer; ours stay."""
    if name not in OURS:
        _versions.pop(name, None)


def _read(file: Path) -> str:
    told = f"templates/{file.parent.name}/{file.name}"
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise TemplatesRefused(f"{told} cannot be read: {error.strerror}. A version has every file of ours.") from error
    if len(raw) > _MOST_BYTES:
        raise TemplatesRefused(f"{told} has more than {_MOST_BYTES:,} bytes.")
    try:
        return raw.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise TemplatesRefused(f"{told} is not in UTF-8.") from error


def _environment(sources: Mapping[str, str]) -> jinja2.Environment:
    # Operators pass templates on: they are texts, and run nothing.
    return ImmutableSandboxedEnvironment(
        loader=jinja2.DictLoader(sources),
        finalize=lambda value: fenced(value) if isinstance(value, str) else value,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )


_versions = {
    folder.name: read_version(folder, ours=True)
    for folder in sorted((Path(__file__).parent / "templates").iterdir())
    if folder.is_dir()
}
#: The packaged versions.
OURS = tuple(_versions)
