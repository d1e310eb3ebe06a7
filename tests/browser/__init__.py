"""Tests in a real browser. A package, so that its fixtures end with it: while Playwright runs, no other loop can."""
