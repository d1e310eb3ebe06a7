"""An experiment: two or more variants of a mode, and which of them a caller has."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from jieqian.tasks.task import Mode, StrategyName

#: What the shares of an experiment's variants add up to.
WHOLE = 100
_STEPS = 1 << 64


class State(StrEnum):
    """Where an experiment stands. One that was stopped is not started again: its callers would be others."""

    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What some of a mode's callers get. None: as the mode has it without an experiment. `share`: of 100."""

    name: str
    share: int
    model: str | None = None
    strategy: StrategyName | None = None
    template: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As the API and the database show it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Variants of one mode, the first being what the others are measured against. Times: seconds since the epoch."""

    name: str
    mode: Mode
    variants: tuple[Variant, ...]
    started_at: float
    ended_at: float | None = None

    @property
    def state(self) -> State:
        """Whether it runs."""
        return State.RUNNING if self.ended_at is None else State.STOPPED

    def variant(self, name: str) -> Variant | None:
        """The variant of that name."""
        return next((one for one in self.variants if one.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "name": self.name,
            "mode": self.mode.value,
            "state": self.state.value,
            "variants": [one.as_dict() for one in self.variants],
            "started_at": self.started_at,
            "ended_at": self.ended_at,
        }


def variant_from(told: Mapping[str, Any]) -> Variant:
    """The variant that `as_dict` told of. Raises `ValueError`, `KeyError` or `TypeError` for what is none."""
    strategy = told.get("strategy")
    return Variant(
        name=str(told["name"]),
        share=int(told["share"]),
        model=told.get("model"),
        strategy=None if strategy is None else StrategyName(strategy),
        template=told.get("template"),
    )


def variant_for(experiment: Experiment, caller: str, secret: str) -> Variant:
    """The caller's variant: always the same while the experiment runs, and nothing is kept of who has which.

    A keyed hash, so that nobody can choose a session by the variant it will have; the experiment's name is in it, so
    that the callers of one variant are spread over all variants of the next experiment.
    """
    told = f"{experiment.name}\0{caller}".encode()
    drawn = hmac.digest(f"jieqian.experiments:{secret}".encode(), told, hashlib.sha256)
    place, upto = int.from_bytes(drawn[:8], "big"), 0
    whole = sum(one.share for one in experiment.variants)
    for one in experiment.variants:
        upto += one.share
        if place * whole < upto * _STEPS:
            return one
    return experiment.variants[-1]
