"""Charts that the server draws: plain rows in, SVG as safe HTML out. PURE; no script, nothing to load."""
