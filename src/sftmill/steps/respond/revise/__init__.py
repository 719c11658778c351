"""Answers criticised by a principle and written again."""
