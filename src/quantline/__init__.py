"""Quantline: trained float models in, verified 8-bit integer models out.

Importing this package loads neither TensorFlow nor mlflow; import the part you need, for instance
``from quantline.ranges import record``.
"""

__version__ = "0.1.0"
