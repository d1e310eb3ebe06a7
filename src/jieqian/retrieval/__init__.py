"""Passages beyond the asked lot: found by meaning, else by characters, else none; the reading never waits for them."""
