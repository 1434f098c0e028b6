"""What an experiment reads: parameters, concepts, templates, models."""
