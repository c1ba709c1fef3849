"""Estimates with their intervals, and tests on paired examples; knows no models."""
