"""Filters that look at one row and need no model."""
