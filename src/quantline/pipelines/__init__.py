"""The Kedro pipelines: one folder a stage, its wiring and its thin nodes."""
