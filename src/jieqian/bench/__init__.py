"""Benchmarks: what the service itself costs, how fast models are, how many streams it carries. No time is asserted."""
