"""Pages for people: rendered on the server, filled in by small scripts, usable without them."""
