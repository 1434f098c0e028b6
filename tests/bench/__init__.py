"""`make bench`: what our generate stage costs beside a no-op mapped DAG, as ratios of one run."""
