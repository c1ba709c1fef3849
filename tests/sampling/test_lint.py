"""The lint of a calibration set: each finding on a mistake, and silence on sound data."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

from quantline import recipe
from quantline.errors import Finding, MismatchError, unfit_for_calibration
from quantline.sampling import (
    Bounds,
    Distribution,
    build_transform,
    draw,
    lint,
    lint_together,
    open_source,
    output_bounds,
    preview,
    stored_dtype,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parents[2]
IMAGENET = ROOT.parent / "shared/imagenet"
SHAPE = (8, 8, 1)

rng = np.random.default_rng(3)
GOOD = rng.uniform(0, 1, (40, *SHAPE)).astype(np.float32)
OTHERS = rng.uniform(0, 1, (60, *SHAPE)).astype(np.float32)


def found(samples: Any, **given: Any) -> dict[str, Finding]:
    values = {"expected_shape": SHAPE, "evaluation": OTHERS, **given}
    findings = lint(samples, **values)
    assert len({finding.name for finding in findings}) == len(findings)
    return {finding.name: finding for finding in findings}


def severities(samples: Any, **given: Any) -> dict[str, str]:
    return {name: finding.severity for name, finding in found(samples, **given).items()}


def changed(at: Sequence[int] | slice, value: Any) -> np.ndarray:
    copy = GOOD.copy()
    copy[at] = value
    return copy


SOUND: dict[str, Any] = {
    "an array": GOOD,
    "a list": list(GOOD),
    "with a batch of 1": GOOD[:, np.newaxis],
    "float64": GOOD.astype(np.float64),
    "float16": GOOD.astype(np.float16),
    "a single example": GOOD[:1],
}


@pytest.mark.parametrize("samples", SOUND.values(), ids=SOUND)
def test_sound_examples_are_not_flagged(samples: Any) -> None:
    assert found(samples) == {}


EMPTY: dict[str, Any] = {
    "none": None,
    "list": [],
    "array": GOOD[:0],
    "no number": np.zeros((0,)),
}


@pytest.mark.parametrize("samples", EMPTY.values(), ids=EMPTY)
def test_an_empty_set_is_an_error(samples: Any) -> None:
    assert severities(samples) == {"empty": "error"}


def test_another_shape_is_an_error_that_names_the_examples() -> None:
    assert severities(GOOD[..., 0]) == {"wrong_shape": "error"}
    mixed = [*GOOD[:5], np.zeros((4, 4, 1), np.float32)]
    finding = found(mixed)["wrong_shape"]
    assert "1 of 6 examples (5) of shape (4, 4, 1)" in finding.found
    assert "(8, 8, 1)" in finding.expected
    assert "wrong_shape" not in found(GOOD, expected_shape=(None, -1, 1))
    assert "wrong_shape" in found(GOOD, expected_shape=(None, -1, 3))


NOT_NUMBERS: dict[str, Any] = {
    "text": np.full((3, *SHAPE), "a"),
    "bytes": [b"jpeg", b"png"],
    "complex": GOOD.astype(np.complex64),
    "objects": np.array([None, {}], dtype=object),
    "ragged": [[[1.0], [1.0, 2.0]]],
    "times": np.zeros((2, *SHAPE), "timedelta64[s]"),
}


@pytest.mark.parametrize("samples", NOT_NUMBERS.values(), ids=NOT_NUMBERS)
def test_what_is_no_real_number_is_an_error(samples: Any) -> None:
    assert severities(samples) == {"wrong_dtype": "error"}


def test_integers_for_a_float_input_are_a_warning() -> None:
    whole = rng.integers(0, 256, (40, *SHAPE), dtype=np.uint8)
    other = rng.integers(0, 256, (40, *SHAPE)).astype(np.float32)
    assert severities(whole, evaluation=other) == {"wrong_dtype": "warning"}


def test_fractions_for_an_integer_input_are_an_error() -> None:
    assert severities(GOOD, expected_dtype="int32") == {"wrong_dtype": "error"}
    whole = np.arange(64 * 40).reshape(40, *SHAPE)
    assert found(whole, expected_dtype="int32") == {}
    assert found(whole.astype(np.float32), expected_dtype="int32") == {}


@pytest.mark.parametrize(
    ("value", "name"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "inf"), (1e300, "inf")]
)
def test_what_is_not_finite_is_an_error_that_names_the_examples(value: float, name: str) -> None:
    samples = GOOD.astype(np.float64)
    samples[[3, 7], 0, 0, 0] = value
    ids = [f"photo {position}.png" for position in range(40)]
    finding = found(samples, ids=ids)[name]
    assert finding.severity == "error"
    assert "2 of 40 examples (photo 3.png, photo 7.png)" in finding.found
    assert name not in found(GOOD)


def test_a_set_of_nothing_but_nan_is_an_error() -> None:
    assert severities(np.full((5, *SHAPE), np.nan, np.float32))["nan"] == "error"


def test_constant_examples_are_a_warning_and_an_error_where_all_are() -> None:
    assert severities(changed([5], 0.5)) == {"constant_samples": "warning"}
    assert "(5)" in found(changed([5], 0.5))["constant_samples"].found
    levels = np.linspace(0, 1, 40, dtype=np.float32)
    gray = np.broadcast_to(levels[:, None, None, None], (40, *SHAPE))
    assert severities(gray)["constant_samples"] == "error"
    zeros = found(np.zeros_like(GOOD))
    assert zeros["constant_samples"].severity == "error"
    assert "40 of them all zeros" in zeros["constant_samples"].found


def test_duplicates_weigh_by_their_share() -> None:
    assert "duplicates" not in found(GOOD)
    one = found(changed([9], GOOD[2]))["duplicates"]
    assert one.severity == "note"
    assert "9 (as 2)" in one.found
    assert severities(changed([9, 10, 11], GOOD[2])) == {"duplicates": "warning"}
    assert severities(np.repeat(GOOD[:1], 40, axis=0))["duplicates"] == "error"


def test_masks_and_lengths_may_be_the_same_everywhere() -> None:
    masks = np.ones((40, 16), np.int32)
    assert severities(masks, expected_shape=(16,), expected_dtype="int32") == {
        "duplicates": "warning"
    }
    rates = np.full((40, 1), 0.5, np.float32)
    assert severities(rates, expected_shape=(1,)) == {"duplicates": "warning"}


TOKENS = rng.integers(0, 50, (40, 16)).astype(np.int32)
ONES = np.ones((40, 16), np.float32)
HALVES = np.where(np.arange(16) < rng.integers(8, 10, (40, 1)), 1, 0).astype(np.float32)
CONTROL = np.full((40, 1), 0.5, np.float32)
IDS = rng.integers(0, 9, (40, 1)).astype(np.int32)


def together(**arrays: np.ndarray) -> dict[str, tuple[str, str]]:
    inputs = {name: (values.shape[1:], str(values.dtype)) for name, values in arrays.items()}
    ignored = {"no_evaluation_set", "unscaled_pixels"}
    found = [item for item in lint_together(arrays, inputs) if item.name not in ignored]
    assert len({item.name for item in found}) == len(found)
    return {finding.name: (finding.severity, finding.found) for finding in found}


@pytest.mark.parametrize(
    "others",
    [
        {"mask": HALVES}, {"user": IDS, "item": IDS[::-1]}, {"speed": CONTROL, "speaker": IDS},
        {"mask": np.ones((40, 16), np.int32)}, {"truth": np.ones((40, 16), bool)},
    ],
)  # fmt: skip
@pytest.mark.parametrize("varying", [GOOD, TOKENS])
def test_ids_masks_and_controls_may_repeat_where_others_vary(
    varying: np.ndarray, others: dict[str, np.ndarray]
) -> None:
    assert together(varying=varying, **others) == {}


def test_a_mask_that_never_masks_is_a_note_that_names_it() -> None:
    for varying in (GOOD, TOKENS):
        severity, found = together(varying=varying, mask=ONES)["constant_samples"]
        assert severity == "note"
        assert found == "input 'mask': 1 everywhere, in all 40 examples"


def test_copies_of_whole_examples_are_found() -> None:
    tokens, mask = TOKENS.copy(), HALVES.copy()
    for array in (tokens, mask):
        array[[5, 6, 7]] = array[1]
    severity, found = together(tokens=tokens, mask=mask)["duplicates"]
    assert severity == "warning"
    assert found == (
        "inputs 'tokens', 'mask' together: 3 of 40 examples repeat an earlier one: 5 (as 1), "
        "6 (as 1), 7 (as 1)"
    )
    assert together(image=GOOD[:1].repeat(40, 0), mask=ONES)["duplicates"][0] == "error"
    assert together(tokens=TOKENS[:1].repeat(40, 0), user=IDS[:1].repeat(40, 0)) != {}


def test_black_images_are_found_though_a_control_varies() -> None:
    black = changed([3], 0)
    severity, found = together(image=black, speed=CONTROL, speaker=IDS)["constant_samples"]
    assert severity == "warning"
    assert found.startswith("input 'image': 1 of 40 examples (3) with one value everywhere, 1 of")
    assert together(image=np.zeros_like(GOOD), speaker=IDS)["constant_samples"][0] == "error"
    assert together(left=black, right=GOOD) == {}  # the other image says something of the example
    both = together(left=black, right=black[::-1].copy()[::-1])
    assert "'left', 'right' together" in both["constant_samples"][1]


def test_what_cannot_be_recorded_names_its_input() -> None:
    mask = HALVES.copy()
    mask[3, 0] = np.nan
    severity, found = together(image=GOOD, mask=mask)["nan"]
    assert (severity, found) == ("error", "input 'mask': 1 of 40 examples (3) with NaN")
    inputs = {"image": (SHAPE, "float32"), "mask": ((8,), "float32")}
    (wrong,) = (finding for finding in lint_together({"image": GOOD, "mask": ONES}, inputs)
                if finding.severity == "error")  # fmt: skip
    assert wrong.name == "wrong_shape"
    assert wrong.found.startswith("input 'mask': 40 of 40 examples")
    assert lint_together({"image": GOOD[:0]}, {"image": (SHAPE, "float32")})[0].name == "empty"


RESCALE = [{"rescale": {"scale": 1 / 255, "offset": 0.0}}]


def test_values_that_the_transform_cannot_give_are_an_error() -> None:
    promised = output_bounds(RESCALE)
    assert found(GOOD, promised=promised) == {}
    finding = found(changed((7, 0, 0, 0), 1.5), promised=promised)["outside_transform"]
    assert finding.severity == "error"
    assert "1 of 40 examples (7)" in finding.found
    assert "[0, 1]" in finding.expected
    colors = np.repeat(GOOD, 3, axis=-1)
    by_channel = Bounds(np.zeros(3), np.array([1.0, 1.0, 0.4]))
    given = {"expected_shape": (8, 8, 3), "evaluation": colors}
    assert severities(colors, promised=by_channel, **given) == {"outside_transform": "error"}


MEAN, STD = [123.7, 116.3, 103.5], [58.4, 57.1, 57.4]
SIZE = {"height": 9, "width": 9}
# A transform, and whether its bounds can be known.
TRANSFORMS: dict[str, tuple[list[dict[str, Any]], bool]] = {
    "none": ([], True),
    "rescale": ([{"rescale": {"scale": 1 / 127.5, "offset": -1.0}}], True),
    "falling": ([{"rescale": {"scale": -2.0, "offset": 1.0}}], True),
    "normalize": ([{"normalize": {"mean": MEAN, "std": STD}}], True),
    "one mean": ([{"normalize": {"mean": 127.0, "std": 64.0}}], True),
    "bgr after": ([{"normalize": {"mean": MEAN, "std": STD}}, {"channel_order": "bgr"}], True),
    "bgr before": ([{"channel_order": "bgr"}, {"normalize": {"mean": MEAN, "std": STD}}], True),
    "sizes": (
        [
            {"resize_short_side": {"size": 12, "method": "lanczos"}},
            {"central_crop": {"height": 10, "width": 10}},
            {"resize": {**SIZE, "method": "bicubic"}},
            *RESCALE,
        ],
        True,
    ),
    "averages": ([*RESCALE, {"resize": {**SIZE, "method": "box"}}], True),
    "overshoot": ([*RESCALE, {"resize": {**SIZE, "method": "lanczos"}}], False),
    "expand": ([{"normalize": {"mean": MEAN, "std": STD}}, {"expand_dims": 0}], True),
    "cast": ([{"cast": "int32"}, {"rescale": {"scale": 0.5}}, {"cast": "uint8"}], True),
    "wraps": ([{"rescale": {"scale": 2.0}}, {"cast": "uint8"}], False),
    "half": ([*RESCALE, {"cast": "float16"}], True),
    "no arguments": ([{"rescale": None}], True),
}


@pytest.mark.parametrize(("spec", "is_known"), TRANSFORMS.values(), ids=TRANSFORMS)
def test_no_value_of_a_transform_leaves_its_promised_bounds(
    spec: list[dict[str, Any]], is_known: bool
) -> None:
    bounds = output_bounds(spec)
    assert (bounds is not None) is is_known
    if bounds is None:
        return
    image = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (13, 17, 3))
    value = build_transform(spec)(image).astype(np.float64)
    margin = 1e-3 * np.max(bounds.high - bounds.low)
    assert (value >= bounds.low - margin).all()
    assert (value <= bounds.high + margin).all()
    assert value.max() > np.mean(bounds.high + bounds.low) / 2  # they are not merely wide


WORDS = rng.integers(0, 65536, (40, *SHAPE)).astype(np.uint16)
FOR_WORDS = [{"rescale": {"scale": 1 / 65535}}]


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        (RESCALE, True), ([{"normalize": {"mean": 127.5, "std": 127.5}}], True),
        (FOR_WORDS, False), ([{"rescale": {"scale": 1 / 32767.5, "offset": -1}}], False),
        ([], False),  # the model may scale them itself
    ],
)  # fmt: skip
def test_images_of_16_bits_need_a_transform_for_them(spec: Any, error: bool) -> None:
    transform, promised = build_transform(spec), output_bounds(spec, "uint16")
    samples = np.stack([transform(word) for word in WORDS])
    result = found(samples, promised=promised, evaluation=samples[::-1])
    assert list(result) == (["outside_transform"] if error else [])
    if error:
        assert "[0, 255]" in result["outside_transform"].expected
        assert "[0, 65535]" in result["outside_transform"].remedy
    few = np.stack([transform(word) for word in WORDS % 256])  # 8 bits, stored in 16
    assert found(few, promised=promised, evaluation=few[::-1]) == {}


def test_bounds_of_each_step_and_channel() -> None:
    bounds = output_bounds(TRANSFORMS["bgr after"][0])
    assert bounds is not None
    np.testing.assert_allclose(bounds.low, -np.divide(MEAN, STD)[::-1])
    np.testing.assert_allclose(bounds.high, np.divide(255 - np.array(MEAN), STD)[::-1])


def test_every_step_is_followed() -> None:
    from quantline.recipe.transform import STEPS
    from quantline.sampling.output_bounds import _STEPS as FOLLOWED

    assert set(FOLLOWED) == set(STEPS) - {"log_mel", "mfcc"}  # of sounds, which are no images


def test_functions_and_other_dtypes_promise_nothing() -> None:
    assert output_bounds("module:function") is None
    assert output_bounds(RESCALE, "float32") is None


def test_without_an_evaluation_set_raw_pixels_are_a_warning() -> None:
    raw = rng.integers(0, 256, (40, *SHAPE)).astype(np.float32)
    assert severities(raw, evaluation=None) == {
        "no_evaluation_set": "note",
        "unscaled_pixels": "warning",
    }
    assert severities(GOOD, evaluation=None) == {"no_evaluation_set": "note"}
    assert severities(raw / 127.5 - 1, evaluation=None) == {"no_evaluation_set": "note"}
    masks = rng.integers(0, 2, (40, *SHAPE)).astype(np.float32)
    assert severities(masks, evaluation=None) == {"no_evaluation_set": "note"}


def test_a_constant_evaluation_set_has_no_scale() -> None:
    assert found(GOOD, evaluation=np.zeros_like(OTHERS)) == {}


def test_an_iterator_is_read_to_the_200th_example() -> None:
    read: list[int] = []

    def endless() -> Any:
        while True:
            read.append(1)
            yield OTHERS[len(read) % len(OTHERS)]

    assert found(GOOD, evaluation=endless()) == {}
    assert len(read) <= 201


def test_a_large_array_is_looked_at_all_over() -> None:
    sorted_by_class = np.concatenate([np.zeros((500, 4)), np.ones((500, 4))])
    distribution = Distribution.of(sorted_by_class)
    assert distribution is not None
    assert distribution.mean == 0.5


def test_single_odd_examples_shift_nothing() -> None:
    assert "distribution_shift" not in found(changed([4], GOOD[4] * 1000))


def test_missing_classes_are_named() -> None:
    labels = [position % 8 for position in range(40)]
    finding = found(GOOD, labels=labels, evaluation_labels=[0, 8, *range(10)])["missing_classes"]
    assert finding.severity == "warning"
    assert "2 of the 10 classes" in finding.found
    assert finding.found.endswith("8, 9")
    few = severities(GOOD, labels=labels, evaluation_labels=range(1000))
    assert few == {"missing_classes": "note"}  # 40 examples cannot be of 1000 classes
    assert found(GOOD, labels=labels, evaluation_labels=range(8)) == {}
    assert found(GOOD, labels=[None] * 40, evaluation_labels=range(10)) == {}
    assert found(GOOD, labels=labels, evaluation_labels=[None] * 9) == {}


def test_all_errors_are_one_paragraph() -> None:
    samples = changed((3, 0, 0, 0), np.nan)
    samples[5] = np.inf
    error = unfit_for_calibration(lint(samples, expected_shape=SHAPE), "Go on with --force")
    assert error.exit_status == 2
    text = str(error)
    assert "\n" not in text
    for words in ("(2 errors)", "nan: 1 of 40 examples (3)", "inf: 1 of 40 examples (5)",
                  "Go on with --force."):  # fmt: skip
        assert words in text
    assert text.count("Remove these examples") == 1


Scale = tuple[str, "Callable[[np.ndarray], np.ndarray]"]
TO_BYTES: Scale = ("[0, 255]", lambda x: x * 255)
TO_UNIT: Scale = ("[0, 1]", lambda x: x)
TO_SIGNED: Scale = ("[-1, 1]", lambda x: 2 * x - 1)
TO_HALF: Scale = ("[-0.5, 0.5]", lambda x: x - 0.5)
SCALES = (TO_BYTES, TO_UNIT, TO_SIGNED, TO_HALF)
PAIRS = [(one, other) for one in SCALES for other in SCALES if one is not other]
pairs = pytest.mark.parametrize(
    ("given", "trained"), PAIRS, ids=[f"{one[0]} for {other[0]}" for one, other in PAIRS]
)


def severity(given: Scale, trained: Scale) -> str:
    # Of [-1, 1], [-0.5, 0.5] is the middle half: a quarter is missing at either end.
    return "warning" if (given, trained) == (TO_HALF, TO_SIGNED) else "error"


def photographs(split: str, count: int) -> np.ndarray:
    """Return ImageNet photographs in [0, 1]."""
    values = yaml.safe_load((ROOT / "conf/imagenet/parameters.yml").read_text())["dataset"]
    *sizes, _ = values["transform"]
    values = {**values, "data_dir": str(IMAGENET), "transform": [*sizes, *RESCALE]}
    dataset = recipe.check(recipe.Dataset, values)
    source, transform = open_source(dataset), build_transform(dataset.transform)
    ids = [entry.id for entry in source.entries(split)][:count]
    return np.stack([transform(example.value) for example in source.examples(split, set(ids))])


@pytest.fixture(scope="module")
def imagenet() -> tuple[np.ndarray, np.ndarray]:
    if not IMAGENET.is_dir():
        pytest.skip(f"the ImageNet photographs are not in {IMAGENET}")
    return photographs("calibration", 30), photographs("labels.csv", 30)


@pytest.fixture(scope="module")
def fashion() -> dict[str, Any]:
    """100 examples of train and the manifest, drawn as conf/base says, from fewer."""
    values = yaml.safe_load((ROOT / "conf/base/parameters_sampling.yml").read_text())
    values["dataset"]["data_dir"] = str(ROOT / "data/01_raw")
    dataset = recipe.check(recipe.Dataset, values["dataset"])
    values["sampling"]["calibration"]["split"] = "train[:5000]"
    values["sampling"]["evaluation"]["split"] = "test[:2000]"
    manifest, calibration = draw(dataset, recipe.check(recipe.Sampling, values["sampling"]))
    return {
        "dataset": dataset,
        "manifest": manifest,
        "x": calibration.x,
        "test": np.stack(list(preview(dataset, manifest))),
        "labels": [example["label"] for example in manifest["calibration"]["examples"]],
    }


def test_an_example_that_the_dataset_does_not_have(fashion: dict[str, Any]) -> None:
    manifest = copy.deepcopy(fashion["manifest"])
    manifest["calibration"]["examples"][0]["id"] += "0" * 9
    with pytest.raises(MismatchError, match="no example"):
        stored_dtype(fashion["dataset"], manifest)


def test_the_embedded_sets_are_sound(fashion: dict[str, Any]) -> None:
    manifest, dataset = fashion["manifest"], fashion["dataset"]
    assert len(fashion["test"]) == 200
    dtype = stored_dtype(dataset, manifest)
    assert dtype == "uint8"
    findings = lint(
        fashion["x"],
        expected_shape=(28, 28, 1),
        evaluation=fashion["test"],
        promised=output_bounds(dataset.transform, dtype),
        labels=fashion["labels"],
        evaluation_labels=[example["label"] for example in manifest["evaluation"]["examples"]],
    )
    assert findings == ()


@pytest.mark.parametrize("count", [2, 4, 10, 30])
def test_few_examples_of_the_embedded_set_are_not_of_another_scale(
    fashion: dict[str, Any], count: int
) -> None:
    for start in range(0, 100 - count, count):
        few = fashion["x"][start : start + count]
        assert "distribution_shift" not in found(
            few, expected_shape=(28, 28, 1), evaluation=fashion["test"]
        )


@pytest.mark.parametrize("label", range(10))
def test_a_single_class_is_not_of_another_scale(fashion: dict[str, Any], label: int) -> None:
    few = fashion["x"][np.array(fashion["labels"]) == label]
    given = {"expected_shape": (28, 28, 1), "evaluation": fashion["test"]}
    assert "distribution_shift" not in found(few, **given)


@pairs
def test_another_scale_of_the_embedded_set_is_found(
    fashion: dict[str, Any], given: Scale, trained: Scale
) -> None:
    finding = found(
        given[1](fashion["x"]), expected_shape=(28, 28, 1), evaluation=trained[1](fashion["test"])
    )["distribution_shift"]
    assert finding.severity == severity(given, trained)


def test_photographs_of_two_sources_are_not_flagged(
    imagenet: tuple[np.ndarray, np.ndarray],
) -> None:
    calibration, images = imagenet
    given = {"expected_shape": (224, 224, 3), "evaluation": images}
    for scale in SCALES:
        given["evaluation"] = scale[1](images)
        assert found(scale[1](calibration), **given) == {}
        assert found(scale[1](calibration[:4]), **given) == {}


@pairs
def test_another_scale_of_photographs_is_found(
    imagenet: tuple[np.ndarray, np.ndarray], given: Scale, trained: Scale
) -> None:
    calibration, images = imagenet
    evaluation = trained[1](images)
    finding = found(given[1](calibration), expected_shape=(224, 224, 3), evaluation=evaluation)[
        "distribution_shift"
    ]
    assert finding.severity == severity(given, trained)


def test_the_remedy_names_the_missing_scaling(imagenet: tuple[np.ndarray, np.ndarray]) -> None:
    calibration, images = imagenet
    for given, trained, formula in (
        (TO_BYTES, TO_SIGNED, "x / 127.5 - 1"),
        (TO_BYTES, TO_UNIT, "x / 255"),
        (TO_UNIT, TO_SIGNED, "2 * x - 1"),
        (TO_SIGNED, TO_BYTES, "127.5 * (x + 1)"),
    ):
        findings = found(
            given[1](calibration), expected_shape=(224, 224, 3), evaluation=trained[1](images)
        )
        assert f": {formula} takes" in findings["distribution_shift"].remedy


def test_another_normalization_is_found(imagenet: tuple[np.ndarray, np.ndarray]) -> None:
    calibration, images = imagenet
    mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    normalized = (images - mean) / std
    given = {"expected_shape": (224, 224, 3), "evaluation": normalized}
    assert found((calibration - mean) / std, **given) == {}
    assert severities(calibration, **given) == {"distribution_shift": "error"}
    assert severities(2 * calibration - 1, **given) == {"distribution_shift": "warning"}
