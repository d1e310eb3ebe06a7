"""What an import tells of each lot and file: values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """One line of a report: about a file, and about one lot of it where it holds one; `reason` is a sentence."""

    file: str
    lot: int | None
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """`{"file", "lot", "reason"}`; `lot` None where the whole file is meant."""
        return {"file": self.file, "lot": self.lot, "reason": self.reason}

    def __str__(self) -> str:
        lot = "" if self.lot is None else f"lot {self.lot}: "
        return f"{self.file}: {lot}{self.reason}"


class Refused(Exception):
    """This file, lot or value cannot be taken; the text says why, as a clause that follows its name."""
