"""Several answers to one prompt, and the one that is kept."""
