"""Preferences: comparisons of answers, and what follows from many of them."""
