"""Predictions against what the compiler really did."""
