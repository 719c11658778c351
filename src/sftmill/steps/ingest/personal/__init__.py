"""Finds personal data in Chinese and English text: numbers by checksum, names and addresses by cue and form."""
