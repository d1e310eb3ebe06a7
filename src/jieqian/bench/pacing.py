"""How a stand-in model paces its answer: a benchmark of the service must not wait for a real one to be quick."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Pace:
    """First token after so many milliseconds, then so many tokens a second, so many in all."""

    first_token_ms: float = 500.0
    tokens_per_second: float = 100.0
    tokens: int = 300

    def behaviour(self, **more: Any) -> dict[str, Any]:
        """As the stand-in takes it (`testing/script.py`)."""
        return {**asdict(self), **more}

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    def in_words(self) -> str:
        """For a note."""
        return (
            f"The stand-in model: first token after {self.first_token_ms:g} ms, then {self.tokens_per_second:g} "
            f"tokens a second, {self.tokens} tokens"
        )


#: A model so fast that the service is what is measured.
FAST = Pace(20.0, 2000.0, 300)
