"""How diverse a set of texts is."""
