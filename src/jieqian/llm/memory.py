"""Whether a model fits into memory: asked before it is loaded, since afterwards the whole machine stands still."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from jieqian.errors import ModelRefused
from jieqian.llm.gguf import GgufFacts

#: Beside weights and cache: the library, its buffers, and kept prompts (512 MiB at most, as in `llamacpp_child.py`).
#: Measured with a window of 8192 tokens: 1.5B parameters (1.07 GiB) took 0.96 GiB of its own, of which 0.66 GiB are
#: weights laid out anew, and read 1.05 GiB of the file once, which the system may drop again; 135M took 0.3 and 0.1.
OVERHEAD_BYTES = 512 * 1024**2
#: Shorter windows that still hold a prompt and its answer.
_SHORTER = (6144, 4096)
_GB = 1e9


def needed_bytes(file_bytes: int, cache_bytes: int) -> int:
    """What a loaded model takes: its weights, the cache of its context, and the rest."""
    return file_bytes + cache_bytes + OVERHEAD_BYTES


def check_fits(
    name: str, facts: GgufFacts, *, context_tokens: int, slots: int = 1, available: int | None = None
) -> None:
    """Raise `ModelRefused`, saying what is needed and what is there, where the model does not fit.

    `available` in bytes; None: it is not known, and nothing is refused.
    """

    def needed(window: int) -> int:
        return needed_bytes(facts.file_bytes, facts.cache_bytes(window * slots))

    window = min(context_tokens, facts.context_tokens or context_tokens)
    if available is None or needed(window) <= available:
        return
    advice = "Choose a smaller one (`jieqian model list`)"
    shorter = next((tokens for tokens in _SHORTER if tokens < window and needed(tokens) <= available), None)
    if shorter is not None:
        advice += f", or set LLM_CONTEXT_TOKENS to {shorter}"
    raise ModelRefused(
        f"The model {name} is too large for the memory: with a window of {window} tokens it needs "
        f"{gigabytes(needed(window))}, and {gigabytes(available)} are free. {advice}."
    )


def gigabytes(number: float) -> str:
    """`4.7 GB`; below a tenth in MB."""
    return f"{number / _GB:.1f} GB" if number >= _GB / 10 else f"{number / 1e6:.0f} MB"


def available_bytes(root: Path = Path("/")) -> int | None:
    """Memory a new process may take: what Linux calls available, within the limits of our control groups.

    On macOS all there is (the system makes room by compressing); None where it is not known, as on Windows.
    """
    meminfo = root / "proc" / "meminfo"
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError:
        if sys.platform == "darwin":
            return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return min(found + _left_in_groups(root), default=None)


def _left_in_groups(root: Path) -> list[int]:
    """What each control group we are in still allows (both versions of cgroups)."""
    left = []
    base = root / "sys" / "fs" / "cgroup"
    first, second = _folders(root, base / "memory", "memory"), _folders(root, base, "")
    for folder, limit, used in (
        *((each, "memory.max", "memory.current") for each in second),
        *((each, "memory.limit_in_bytes", "memory.usage_in_bytes") for each in first),
    ):
        try:
            most = (folder / limit).read_text(encoding="ascii").strip()
            taken = int((folder / used).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        if most.isdigit():
            left.append(max(0, int(most) - taken + _given_back(folder)))
    return left


def _folders(root: Path, base: Path, controller: str) -> list[Path]:
    """Our group's folder and all above it. In a container the path may lie outside what is mounted: then its root."""
    try:
        lines = (root / "proc" / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return [base]
    own = next((line.split(":", 2)[2] for line in lines if controller in line.split(":", 2)[1].split(",")), "/")
    folder = base / own.strip("/")
    return [folder, *(above for above in folder.parents if above == base or base in above.parents)]


def _given_back(folder: Path) -> int:
    """Pages of files in the group's use that are given up when memory is wanted."""
    try:
        lines = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    fields = dict(line.split() for line in lines if len(line.split()) == 2)
    return int(fields.get("total_inactive_file", fields.get("inactive_file", 0)))
