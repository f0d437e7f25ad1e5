"""The embedded corpus: questions and answers made from the docstrings of installed packages."""
