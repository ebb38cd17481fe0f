"""Charts as drawings of their own, for files and for paper: laid out once, then written as SVG or PDF."""
