"""DayDreaming on Airflow: factorial LLM experiments, one task instance per call."""

__version__ = "0.1.0"
