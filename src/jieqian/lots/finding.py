"""One thing wrong, or doubtful, in a pack: a value only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from jieqian.errors import PackError


class Severity(StrEnum):
    """`error`: breaks the format or would mislead an asker. `warning`: worth a look by a person."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One fault. `line` counts from 1, or is None where the whole file is meant; `lot` is the lot's number if known."""

    file: str
    line: int | None
    lot: int | None
    what: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        lot = "" if self.lot is None else f"lot {self.lot}: "
        return f"{where}: {self.severity.value}: {lot}{self.what}"

    def as_dict(self) -> dict[str, Any]:
        """`{"file", "line", "lot", "severity", "what"}`, as `jieqian corpus validate --json` prints it."""
        return {
            "file": self.file,
            "line": self.line,
            "lot": self.lot,
            "severity": self.severity.value,
            "what": self.what,
        }

    def as_pack_error(self) -> PackError:
        """The exception that refuses the pack for this fault."""
        lot = "" if self.lot is None else f"lot {self.lot}: "
        return PackError(lot + self.what, file=self.file, line=self.line)
