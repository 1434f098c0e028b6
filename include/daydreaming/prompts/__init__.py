"""Templates to prompts."""
