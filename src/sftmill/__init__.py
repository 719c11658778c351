"""sftmill turns documents and a model endpoint into supervised fine-tuning data."""

__version__ = "0.1.0"
