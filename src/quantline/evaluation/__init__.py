"""How good, how fast and how alike models are."""

from quantline.evaluation.evaluate import evaluate
from quantline.evaluation.latency import measure
from quantline.evaluation.metrics import Interval, score, wilson
from quantline.evaluation.paired import compare
from quantline.evaluation.predict import Classifier, predict

__all__ = ["Classifier", "Interval", "compare", "evaluate", "measure", "predict", "score", "wilson"]
