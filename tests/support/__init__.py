"""Plain functions that several test folders share."""
