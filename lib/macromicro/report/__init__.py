"""One page on a person's own data: tables in, HTML text out.

In come samples, types and what was measured on them, out goes one page that shows it and fetches nothing: its styles,
figures and the little script that it has are in it, and whatever a sample says is text. Start reading at `page`.
"""
