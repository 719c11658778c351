"""What a model must refuse or correct, and answers that are wrong on purpose."""
