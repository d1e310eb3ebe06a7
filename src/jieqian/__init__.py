"""Jieqian (解籤): self-hosted readings of temple oracle lots."""

__version__ = "0.1.0"
