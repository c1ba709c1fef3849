from __future__ import annotations

import pytest

from quantline.errors import DataError
from quantline.quantization.interface import whole_shape
from quantline.sampling import build_transform


@pytest.mark.parametrize("shape", [(8,), (28, 28, 1), ()])
def test_equal_shapes_pass(shape: tuple[int, ...]) -> None:
    assert whole_shape((1, *shape), shape, "m") == (1, *shape)


@pytest.mark.parametrize(
    ("given", "taken", "advice"),
    [
        ((28, 28), (28, 28, 1), "- expand_dims: -1"),
        ((28, 28), (1, 28, 28), "- expand_dims: 0"),
        ((8, 8), (8, 1, 8), "- expand_dims: 1"),
        ((28, 28, 1), (28, 28), "Drop the extra dimension"),
        ((28, 28, 1), (1, 28, 28), "module:name"),
        ((20, 30, 3), (10, 10, 3), "- resize: {height: 10, width: 10}"),
        ((20, 30, 3), (8, 12, 3), "- resize_short_side: {size: 12}"),
        ((28, 28, 1), (28, 28, 3), "`color='rgb'`"),
        ((28, 28, 3), (28, 28, 1), "`color='grayscale'`"),
        ((28, 28, 3), (28, 28, 4), "module:name"),
        ((784,), (28, 28, 1), "module:name"),
        ((5,), (7,), "module:name"),
    ],
)
def test_the_error_says_what_would_make_them_fit(
    given: tuple[int, ...], taken: tuple[int, ...], advice: str
) -> None:
    with pytest.raises(DataError, match="'m'") as caught:
        whole_shape((1, *taken), given, "m")
    assert str(given) in caught.value.found
    assert caught.value.expected == str(taken)
    assert advice in caught.value.remedy
    assert "None" not in caught.value.remedy


@pytest.mark.parametrize(
    ("given", "taken"),
    [((28, 28), (28, 28, 1)), ((28, 28), (1, 28, 28)), ((20, 30, 3), (10, 16, 3)),
     ((20, 20, 1), (16, 10, 1))],
)  # fmt: skip
def test_the_advice_when_followed_makes_them_fit(
    given: tuple[int, ...], taken: tuple[int, ...]
) -> None:
    import re

    import numpy as np
    import yaml

    with pytest.raises(DataError) as caught:
        whole_shape((1, *taken), given, "m")
    first, *rest = re.findall(r"'- (.+?)'(?= to| and|, before)", caught.value.remedy)
    for steps in filter(None, ([first], rest)):
        transform = build_transform([yaml.safe_load(step) for step in steps])
        whole_shape((1, *taken), transform(np.zeros(given, np.uint8)).shape, "m")
