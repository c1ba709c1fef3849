"""Metrics of classifiers and the gate's rules about their change, one a module."""

from quantline.metrics._metric import Comparison, Judgement, Metric, Rule
from quantline.metrics._rows import Pairs, Rows
from quantline.registry import declared

METRICS: dict[str, Metric] = declared("quantline.metrics.*", __path__, Metric)
"""Every metric by its name."""

RULES: dict[str, Rule] = {
    metric.rule.parameter.name: metric.rule
    for metric in METRICS.values()
    if metric.rule is not None
}
"""The gate's rules about changes, by the names of their parameters."""

if len(RULES) != sum(metric.rule is not None for metric in METRICS.values()):
    raise TypeError("two metrics have a rule of the same name")

__all__ = ["METRICS", "RULES", "Comparison", "Judgement", "Metric", "Pairs", "Rows", "Rule"]
