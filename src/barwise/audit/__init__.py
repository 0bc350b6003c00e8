"""Looks for the future in the past."""
