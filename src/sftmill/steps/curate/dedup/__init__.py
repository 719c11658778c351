"""Rows that say the same as another row."""
