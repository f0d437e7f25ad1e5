"""Pages from executed notebooks and tables.

In comes the folder of a finished study, out go the sources of a Jupyter Book and its HTML. Start reading at `book`.
"""
