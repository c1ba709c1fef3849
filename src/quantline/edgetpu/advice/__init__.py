"""Changes of a model that put more of it on the Edge TPU."""
