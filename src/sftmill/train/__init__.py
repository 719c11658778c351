"""Training on the project's own data (extra `train`: torch, transformers)."""
