"""The command line: reads options, calls the rooms, prints.

In come a file of samples and options, out go a subset with its card, types, or a table of metrics. Start reading at
`main`.
"""
