"""The run directory, and a finished run."""
