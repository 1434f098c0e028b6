"""The report of an experiment: rows and texts in, one self-contained HTML file out. PURE."""
