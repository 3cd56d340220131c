"""Personalization on Algolia that a shop owns."""

__version__ = "0.1.0"
