"""The rules by which the Edge TPU compiler takes operators."""
