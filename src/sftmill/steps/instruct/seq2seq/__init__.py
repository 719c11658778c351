"""Question generation with small sequence-to-sequence models, blanks, and round trips."""
