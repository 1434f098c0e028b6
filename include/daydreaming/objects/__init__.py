"""A folder on an object store, for those who know paths. Standard library only until it is used."""
