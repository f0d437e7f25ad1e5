"""Figures: tables in, axes out.

In come the tables of the other rooms, out go figures that look alike for our numbers and the paper's. Start reading
at `scores`.
"""
