"""Magpie: what a model expects its users to ask, out of its own chat format."""
