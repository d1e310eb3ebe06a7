"""The FAQ: candidates from readings, their review, and what approved ones become."""
