"""Tags that many rows share: normalised into one vocabulary, and given cheaply to rows that no model saw."""
