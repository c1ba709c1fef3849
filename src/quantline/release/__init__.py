"""Recording, judging and releasing candidates; the only package that imports MLflow.

Its parts are imported by their modules: the gate is usable without MLflow, whose environment
variables :mod:`quantline.release.tracking` sets.
"""
