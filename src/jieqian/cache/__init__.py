"""Answers kept for those who ask the same, one generation for all who wait for it, prefixes warmed beforehand."""
