"""The browser's face: pages rendered on the server, then kept live by a stream of fragments.

`render` turns pages and panels into HTML, `drawings` works out what their templates draw, `links` writes the
addresses they point to, and `assets` serves the style sheet and the scripts. Nothing here computes a number.
"""
