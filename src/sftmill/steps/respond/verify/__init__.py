"""Answers checked by rules, programs and votes, without a judge's opinion."""
