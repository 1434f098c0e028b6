"""Response files and the results database."""
