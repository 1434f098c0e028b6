"""The factorial design, pure: combinations, IDs, cells."""
