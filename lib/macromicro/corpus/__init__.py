"""Files, hub datasets and installed packages to samples: read, cleaned, split by id."""
