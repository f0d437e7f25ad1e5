"""Files, hub datasets and installed packages to samples: read, cleaned, split by id.

In come a file, a hub id or names of packages, out go samples, text for a base model, prompts, and a report of what
was dropped. Start reading at `corpus`.
"""
