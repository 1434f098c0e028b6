"""The Experiments page inside Airflow: a FastAPI application that the plugin mounts at /daydreaming."""
