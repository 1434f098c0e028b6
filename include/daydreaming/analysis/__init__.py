"""Tables of an experiment, pure: rows or frames in, frames out."""
