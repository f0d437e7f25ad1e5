"""Types to datasets: the peel, the even draw, and their rivals."""
