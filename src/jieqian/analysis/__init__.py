"""Where the time of readings went, worked out from log files: this project's own and the older plain-text ones."""
