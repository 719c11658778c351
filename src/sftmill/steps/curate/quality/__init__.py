"""Which rows are worth training on: like a target, complex and well answered, hard to answer unasked, best by a number."""
