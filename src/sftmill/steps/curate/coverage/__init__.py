"""How rows cover a grid of labels, and what is missing."""
