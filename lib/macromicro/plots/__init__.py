"""Figures: tables in, axes out."""
