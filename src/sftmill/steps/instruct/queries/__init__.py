"""What users really asked, grouped."""
