"""Predictions compared with the results of the real compiler."""
