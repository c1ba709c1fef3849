"""Tables of predictions as rows, one model beside another."""

from __future__ import annotations

import pytest
from tests.evaluation.tables import predictions

from quantline.errors import ResultMissing
from quantline.evaluation.pairs import pair


def test_pairs_leave_unlabelled_examples_out_and_refuse_others() -> None:
    first = predictions([1, None, 2, 2], [0, None, 7, 0])
    second = predictions([1, None, 2, 2], [3, None, 0, 0])
    got = pair(first, second)
    assert got.candidate.ids.tolist() == ["example 0", "example 2", "example 3"]
    assert got.lost().tolist() == [True, False, False]
    assert got.won().tolist() == [False, True, False]
    assert got.lost(within=5).tolist() == [False, False, False]
    assert got.candidate["loss"].tolist() == [3.0, 0.0, 0.0]
    assert got.reference["loss"].tolist() == [0.0, 7.0, 0.0]
    with pytest.raises(ResultMissing, match="not evaluated on the same examples"):
        pair(first, second.slice(1))
    with pytest.raises(ResultMissing, match="other examples or labels"):
        pair(first, predictions([1, None, 2, 3], [0, None, 7, 0]))
