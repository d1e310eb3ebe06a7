"""Keeping the data: its folder, backups, restoring."""
