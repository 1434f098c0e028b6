"""Airflow's edge on the triggerer's side."""
