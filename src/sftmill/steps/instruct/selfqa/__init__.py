"""Questions that passages answer, by a model: SelfQA."""
