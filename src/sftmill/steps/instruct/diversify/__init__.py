"""The same knowledge in other wordings, and in the shapes that retrieval-augmented models are trained on."""
