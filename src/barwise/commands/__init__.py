"""The verbs of `python -m barwise`: one module each, with `main(words)`."""
