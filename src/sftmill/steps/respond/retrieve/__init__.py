"""Passages for a question, found by words and by vectors."""
