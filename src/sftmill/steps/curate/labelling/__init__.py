"""Labels and tags that a model gives to rows."""
