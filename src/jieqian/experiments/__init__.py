"""Experiments: variants of a mode by share, sticky by caller, and what came of each."""
