"""Airflow's edge on the worker's side: operators and what the DAG files need."""
