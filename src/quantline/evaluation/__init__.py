"""Predictions, scores, latency and paired comparison of models."""

from quantline.evaluation.evaluate import evaluate
from quantline.evaluation.latency import measure
from quantline.evaluation.metrics import score
from quantline.evaluation.paired import compare
from quantline.evaluation.predict import predict
from quantline.stats.interval import Interval, wilson

__all__ = ["Interval", "compare", "evaluate", "measure", "predict", "score", "wilson"]
