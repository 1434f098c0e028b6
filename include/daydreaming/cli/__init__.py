"""The `daydreaming` command."""
