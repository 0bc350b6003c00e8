"""Using what was trained: predict on new bars, live bars, a model trained on all data, and a run run again."""
