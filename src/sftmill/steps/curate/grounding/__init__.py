"""Whether a passage bears an answer out."""
