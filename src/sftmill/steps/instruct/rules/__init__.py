"""Questions whose answers stand in the text, by patterns and without a model."""
