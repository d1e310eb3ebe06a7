"""How many tokens a prompt takes, without its tokenizer: a number it surely reaches, and a likely one.

Why two: refusing a prompt that would fit, or calling a whole prompt cut, loses a good reading; so what is refused is
only what no tokenizer in use could make fit.

- *Surely reached.* Vocabularies of 32 k to 256 k entries give English prose 4 to 5 characters a token and never more
  than one word with its space a token on average (5.7 characters); they give Chinese and Japanese 0.7 to 1.8 characters
  a token. One token for 8 characters (and no more than there are words), or for 3 of a script written without spaces,
  is below all of them: half of what Qwen2.5's vocabulary gives for prompts of ours. Runs of one character count as a
  single character, since vocabularies hold long runs of spaces and dashes as one token.
- *Likely.* One token for 4 characters, or for 1.5 of such a script.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jieqian.errors import PromptTooLong
from jieqian.llm.client import Message, ModelRequest

_RUN = re.compile(r"(.)\1{3,}", re.DOTALL)
_DENSE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]")


def tokens_at_least(messages: Sequence[Message]) -> int:
    """Tokens the messages surely take, in any tokenizer in use; the chat template's own come on top."""
    return _estimate(messages, plain=8.0, dense=3.0, within_words=True)


def tokens_likely(messages: Sequence[Message]) -> int:
    """Tokens the messages likely take; may be wrong by a factor of two either way."""
    return _estimate(messages, plain=4.0, dense=1.5, within_words=False)


def check_fits(request: ModelRequest) -> None:
    """Raise `PromptTooLong` where no tokenizer could fit the prompt into the window; no call is worth making."""
    least = tokens_at_least(request.messages)
    if least > request.context_tokens:
        raise PromptTooLong(
            f"The prompt takes at least {least} tokens; the window has {request.context_tokens}. "
            "Raise LLM_CONTEXT_TOKENS or shorten the prompt.",
            prompt_tokens_at_least=least,
            context_tokens=request.context_tokens,
        )


def check_not_cut(request: ModelRequest, measured: int | None) -> None:
    """Raise `PromptTooLong` where the server's count of prompt tokens shows that it cut the prompt.

    `measured` may be None or 0 (servers leave it out where the prompt was cached whole): then nothing can be told.
    Ollama cuts to `num_ctx/2 + 2` (https://github.com/ollama/ollama/issues/17427), so a count there is a cut too where
    the likely size is above it; and so is a prompt that fills the window, since no room was left for an answer.
    """
    if not measured or measured <= 0:
        return
    least, window = tokens_at_least(request.messages), request.context_tokens
    half = window // 2
    at_half = half <= measured <= half + 4 and tokens_likely(request.messages) > measured + measured // 4
    if measured < least or at_half or window - 1 <= measured <= window:
        whole = max(least, tokens_likely(request.messages))
        raise PromptTooLong(
            f"The server read {measured} tokens of a prompt of about {whole}: it was cut to fit the window "
            f"({window} asked for). Raise LLM_CONTEXT_TOKENS or shorten the prompt.",
            prompt_tokens=measured,
            prompt_tokens_at_least=least,
            context_tokens=window,
        )


def _estimate(messages: Sequence[Message], *, plain: float, dense: float, within_words: bool) -> int:
    count = 0.0
    for message in messages:
        text = _RUN.sub(r"\1", message.content)
        spaced, packed = _DENSE.subn(" ", text)
        words = (len(spaced) - packed) / plain
        count += packed / dense + (min(words, len(spaced.split())) if within_words else words)
    return int(count)
