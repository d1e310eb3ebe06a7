"""How a page is told to the router."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Path, endpoint, methods, name.
PageRoute = tuple[str, Callable[..., Any], list[str], str]
