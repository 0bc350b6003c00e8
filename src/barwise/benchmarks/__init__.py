"""Measurements of barwise by itself: python -m barwise benchmark NAME."""
