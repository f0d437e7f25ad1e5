"""Pages from executed notebooks and tables."""
