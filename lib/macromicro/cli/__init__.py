"""The command line: reads options, calls the rooms, prints."""
