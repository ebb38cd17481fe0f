"""The terminal face: the same pages and panels as the browser's, drawn in character cells.

`document` is what it shows, as data; `source` is where that comes from; `app` draws it. Only `toolkit` knows Textual,
and nothing of it is imported before a terminal is drawn.
"""
