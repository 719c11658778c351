"""Rows that lie near each other."""
