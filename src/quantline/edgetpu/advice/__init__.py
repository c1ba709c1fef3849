"""What to change in a model so that more of it runs on the Edge TPU."""
