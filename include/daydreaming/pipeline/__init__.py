"""The use cases that join inputs, design, models and store; no Airflow import."""
