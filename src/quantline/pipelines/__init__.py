"""The Kedro pipelines: one module a stage, with its thin nodes and their wiring."""
