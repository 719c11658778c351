"""Training rows that hold items of evaluation sets are found and taken out."""
