"""The modes: each a model, a strategy and options. `fast` thinks least and asks for shorter sections."""

from __future__ import annotations

from jieqian.llm.client import ModelClient, ModelInfo
from jieqian.reading.gauge import Gauge
from jieqian.sections.parallel import Parallel
from jieqian.sections.retelling import Retelling
from jieqian.sections.sequential import Sequential
from jieqian.sections.strategy import Strategy, WritingOptions
from jieqian.settings import Settings
from jieqian.tasks.task import Mode, StrategyName

#: The longest answer asked for, in tokens: seven sections in Chinese take about 1,400, thinking comes on top.
MOST_TOKENS = 3000
#: How long fast mode's sections are asked to be, beside quality mode's.
FAST_LENGTH = 0.6


class Modes:
    """What settings and measurements make of a mode."""

    def __init__(self, settings: Settings, gauge: Gauge) -> None:
        self._settings, self._gauge = settings, gauge

    def strategy(self, client: ModelClient, model: ModelInfo, mode: Mode, asked: StrategyName) -> Strategy:
        """How this model is asked. `auto` writes side by side only where that was measured to be faster."""
        if model.tiny:
            return Retelling()
        wanted = asked if asked is not StrategyName.AUTO else self._strategy_of(mode)
        gain = self._gauge.of(client, model)
        if wanted is StrategyName.PARALLEL:
            return Parallel(gain.slots) if gain is not None and gain.slots > 1 else Parallel()
        if wanted is StrategyName.AUTO and gain is not None and gain.pays:
            return Parallel(gain.slots)
        return Sequential()

    def _strategy_of(self, mode: Mode) -> StrategyName:
        return self._settings.fast_strategy if mode is Mode.FAST else self._settings.quality_strategy

    def options(self, model: ModelInfo, mode: Mode) -> WritingOptions:
        """The mode's options for this model."""
        return options_of(self._settings, model, mode)


def options_of(settings: Settings, model: ModelInfo, mode: Mode) -> WritingOptions:
    """What settings make of a mode's options for this model."""
    window = min(settings.llm_context_tokens, model.context_tokens or settings.llm_context_tokens)
    fast = mode is Mode.FAST
    thinking = model.thinking_off if fast and model.thinking_off is not None else None
    if thinking is None and model.thinking:
        thinking = model.thinking[0]
    return WritingOptions(
        context_tokens=window,
        max_tokens=min(MOST_TOKENS, window // 2),
        thinking=thinking,
        length=FAST_LENGTH if fast else 1.0,
        first_token_seconds=settings.llm_first_token_seconds,
        between_tokens_seconds=settings.llm_silence_seconds,
    )
