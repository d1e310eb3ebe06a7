"""Others' lots in: files of any shape become one collection in the pack format, and a report of each that does not.

In this order: `source` (files, within bounds), `decoding`, `parsing` (values by key or column), `columns` (whose value
is what), `entries` (one lot, cleaned), `plan` (which lots, and why not the others), `placing` (into DATA_DIR).
"""
