"""Evol-Instruct: harder and rarer instructions."""
