"""Trackers that people use: each hears the run's events and files them where its own tools look."""
