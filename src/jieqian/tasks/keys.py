"""API keys: shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets


def new_key() -> tuple[str, str]:
    """An API key and the hash that is kept of it."""
    key = f"jq_{secrets.token_urlsafe(32)}"
    return key, hash_key(key)


def hash_key(key: str) -> str:
    """SHA-256 in hex. The key holds 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
