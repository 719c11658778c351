"""Rows of an existing database that are like those of a validation set."""
