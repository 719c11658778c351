"""The judge's feedback as training rows."""
