"""Types to datasets: the peel, the even draw, and their rivals.

In come a type matrix, levels and sizes, out go the rows of every dataset and what each of them covers. Start reading
at `select`.
"""
