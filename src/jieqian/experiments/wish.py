"""From what an operator writes to an experiment: everything that can be refused without asking anybody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from jieqian.errors import ExperimentRefused, UnknownMode, UnknownStrategy
from jieqian.experiments.experiment import WHOLE, Variant
from jieqian.prompt.versions import TEMPLATE_VERSION, version_names
from jieqian.tasks.task import Mode, StrategyName

MOST_VARIANTS = 6
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_LONGEST_MODEL = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantWish:
    """A variant as it was asked for. Empty texts are as None."""

    name: str
    share: int
    model: str | None = None
    strategy: str | None = None
    template: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An experiment as it was asked for."""

    name: str
    mode: str
    variants: Sequence[VariantWish]


def checked(wish: Wish, own_model: str | None) -> tuple[Mode, tuple[Variant, ...]]:
    """Mode and variants. `own_model`: the mode's; whoever names it asks for nothing else.

    Raises `ExperimentRefused`, `UnknownMode`, `UnknownStrategy`. Whether models are there is for others to see.
    """
    _expect_name(wish.name, "name")
    try:
        mode = Mode(wish.mode)
    except ValueError as error:
        raise UnknownMode from error
    if not 2 <= len(wish.variants) <= MOST_VARIANTS:
        raise ExperimentRefused(f"variants: 2 to {MOST_VARIANTS} are wanted; there are {len(wish.variants)}.")
    variants = tuple(_variant(one) for one in wish.variants)
    names = [one.name for one in variants]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ExperimentRefused(f"variants: {twice} stands there twice. Each needs a name of its own.")
    total = sum(one.share for one in variants)
    if total != WHOLE:
        told = " + ".join(str(one.share) for one in variants)
        raise ExperimentRefused(f"shares: {told} make {total}; {WHOLE} is wanted.")
    if len({_effect(one, own_model) for one in variants}) == 1:
        raise ExperimentRefused(
            "variants: they are all the same, so nothing could come out. Let them differ in model, strategy or "
            "template."
        )
    return mode, variants


def _variant(wish: VariantWish) -> Variant:
    _expect_name(wish.name, "variants: a name")
    if not 1 <= wish.share < WHOLE:
        raise ExperimentRefused(f"shares: {wish.name} has {wish.share}; each is 1 to {WHOLE - 1}.")
    model = (wish.model or "").strip() or None
    if model is not None and (len(model) > _LONGEST_MODEL or not model.isprintable()):
        raise ExperimentRefused(f"variants: the model of {wish.name} is no name of a model.")
    if wish.strategy and wish.strategy not in [one.value for one in StrategyName]:
        raise UnknownStrategy(f"variants: {wish.strategy!r} of {wish.name} is no strategy. {UnknownStrategy().detail}")
    strategy = StrategyName(wish.strategy) if wish.strategy else None
    template = (wish.template or "").strip() or None
    if template is not None and template not in version_names():
        raise ExperimentRefused(
            f"variants: {template!r} of {wish.name} is no version of the templates. There are "
            f"{', '.join(version_names())}. One of your own goes into the folder `templates` of the data folder, "
            "before the service starts."
        )
    return Variant(name=wish.name, share=wish.share, model=model, strategy=strategy, template=template)


def _expect_name(name: str, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise ExperimentRefused(f"{what}: 1 to 40 small letters, digits and hyphens, the first no hyphen.")


def _effect(variant: Variant, own_model: str | None) -> Variant:
    """The variant with what it leaves open filled in, and nothing that changes no reading."""
    return replace(
        variant,
        name="",
        share=0,
        model=variant.model or own_model,
        strategy=variant.strategy or StrategyName.AUTO,
        template=variant.template or TEMPLATE_VERSION,
    )
