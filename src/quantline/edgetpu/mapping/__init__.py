"""Which operators the Edge TPU compiler takes, by its rules."""
