"""The verbs of `python -m barwise`: one module each, which begins `python -m barwise NAME: …` and has `main(words)`."""
