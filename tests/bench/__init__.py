"""`make bench`: what the deployment costs and how fast it is, as ratios of one run."""
