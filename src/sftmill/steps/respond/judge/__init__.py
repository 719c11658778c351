"""Judges: a model reads answers and says how good they are, or which is better."""
