from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from quantline.errors import DataError, ParameterError
from quantline.sampling import build_transform

if TYPE_CHECKING:
    from pathlib import Path

STEPS = {
    "resize", "resize_short_side", "central_crop", "rescale", "normalize", "channel_order",
    "expand_dims", "cast",
}  # fmt: skip


def picture(height: int = 13, width: int = 17, channels: int = 3) -> np.ndarray:
    shape = (height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def apply(value: np.ndarray, *steps: dict[str, Any]) -> np.ndarray:
    return build_transform(steps)(value)


def by_pillow(image: np.ndarray, height: int, width: int, method: str) -> np.ndarray:
    resample = Image.Resampling[method.upper()]
    return np.asarray(Image.fromarray(image).resize((width, height), resample))


METHODS = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("height", "width"), [(5, 6), (26, 40), (13, 4), (13, 17)])
def test_resize_is_pillow_s(height: int, width: int, method: str) -> None:
    image = picture()
    got = apply(image, {"resize": {"height": height, "width": width, "method": method}})
    np.testing.assert_array_equal(got, by_pillow(image, height, width, method))


def test_resize_is_bilinear_unless_said_otherwise() -> None:
    got = apply(picture(), {"resize": {"height": 5, "width": 6}})
    np.testing.assert_array_equal(got, by_pillow(picture(), 5, 6, "bilinear"))


def test_resize_takes_grayscale_and_float_images() -> None:
    gray = picture(channels=1)
    got = apply(gray, {"resize": {"height": 5, "width": 6}})
    assert got.shape == (5, 6, 1)
    np.testing.assert_array_equal(got[..., 0], by_pillow(gray[..., 0], 5, 6, "bilinear"))
    real = picture()[..., 0].astype(np.float32) / 255
    got = apply(real[..., np.newaxis], {"resize": {"height": 5, "width": 6}})
    np.testing.assert_array_equal(got[..., 0], by_pillow(real, 5, 6, "bilinear"))


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((20, 40), 10, (10, 20)),
        ((40, 20), 10, (20, 10)),
        ((13, 17), 10, (10, 13)),
        ((17, 13), 10, (13, 10)),
        ((5, 8), 10, (10, 16)),
        ((10, 10), 10, (10, 10)),
    ],
)
def test_resize_short_side_keeps_the_aspect_ratio(
    shape: tuple[int, int], size: int, expected: tuple[int, int]
) -> None:
    image = picture(*shape)
    got = apply(image, {"resize_short_side": {"size": size, "method": "bicubic"}})
    np.testing.assert_array_equal(got, by_pillow(image, *expected, "bicubic"))


def test_resize_short_side_may_leave_small_images() -> None:
    step = {"resize_short_side": {"size": 10, "enlarge": False}}
    np.testing.assert_array_equal(apply(picture(5, 8), step), picture(5, 8))
    assert apply(picture(20, 40), step).shape == (10, 20, 3)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (4, 4), (13, 17), (13, 1)])
def test_central_crop_is_the_middle(height: int, width: int) -> None:
    image = picture()
    got = apply(image, {"central_crop": {"height": height, "width": width}})
    above, left = (13 - height) // 2, (17 - width) // 2
    np.testing.assert_array_equal(got, image[above:, left:][:height, :width])
    below, right = 13 - height - above, 17 - width - left
    assert 0 <= below - above <= 1
    assert 0 <= right - left <= 1


@pytest.mark.parametrize(("height", "width"), [(14, 17), (13, 18), (100, 100)])
def test_a_crop_larger_than_the_image_is_an_error(height: int, width: int) -> None:
    with pytest.raises(DataError, match="central_crop") as caught:
        apply(picture(), {"central_crop": {"height": height, "width": width}})
    assert "(13, 17)" in caught.value.found


def test_rescale_is_float32_arithmetic() -> None:
    got = apply(picture(), {"rescale": {"scale": 1 / 127.5, "offset": -1.0}})
    expected = picture().astype(np.float32) * np.float32(1 / 127.5) + np.float32(-1)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)


def test_rescale_takes_one_number() -> None:
    got = apply(picture(), {"rescale": 2.0})
    np.testing.assert_array_equal(got, picture().astype(np.float32) * 2)


@pytest.mark.parametrize("arguments", [None, {}])
def test_rescale_without_arguments_is_its_defaults(arguments: Any) -> None:
    np.testing.assert_array_equal(apply(picture(), {"rescale": arguments}), picture())


@pytest.mark.parametrize(
    ("mean", "std"), [(127.5, 127.5), ([123.7, 116.3, 103.5], [58.4, 57.1, 57.4])]
)
def test_normalize_is_by_channel_or_for_all(mean: Any, std: Any) -> None:
    got = apply(picture(), {"normalize": {"mean": mean, "std": std}})
    expected = (picture() - np.broadcast_to(mean, 3)) / np.broadcast_to(std, 3)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_channel_order() -> None:
    red, green, blue = (picture()[..., index] for index in range(3))
    got = apply(picture(), {"channel_order": "bgr"})
    np.testing.assert_array_equal(got, np.stack([blue, green, red], -1))
    np.testing.assert_array_equal(apply(picture(), {"channel_order": "rgb"}), picture())


@pytest.mark.parametrize(
    ("axis", "shape"), [(-1, (4, 5, 1)), (0, (1, 4, 5)), (1, (4, 1, 5)), ({"axis": 0}, (1, 4, 5))]
)
def test_expand_dims(axis: Any, shape: tuple[int, ...]) -> None:
    assert apply(np.zeros((4, 5)), {"expand_dims": axis}).shape == shape


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float64"])
def test_cast(dtype: str) -> None:
    got = apply(picture(), {"cast": dtype})
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, picture())


@pytest.mark.parametrize(("value", "dtype"), [(256, "uint8"), (-1, "uint8"), (np.nan, "int32")])
def test_what_a_dtype_does_not_hold_is_refused(value: float, dtype: str) -> None:
    with pytest.raises(DataError, match="do not fit") as caught:
        apply(np.full((4, 5), value), {"cast": dtype})
    assert dtype in caught.value.found


def test_without_steps_the_result_is_float32() -> None:
    got = apply(picture())
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, picture())


def test_steps_are_applied_in_their_order() -> None:
    image = picture()
    got = apply(
        image,
        {"resize_short_side": {"size": 10}},
        {"central_crop": {"height": 8, "width": 8}},
        {"channel_order": "bgr"},
        {"normalize": {"mean": [1.0, 2.0, 3.0], "std": 2.0}},
    )
    cropped = by_pillow(image, 10, 13, "bilinear")[1:9, 2:10, ::-1]
    np.testing.assert_allclose(got, (cropped - np.array([1, 2, 3])) / 2, rtol=1e-6)
    assert got.flags["C_CONTIGUOUS"]


def test_the_example_is_left_as_it_is() -> None:
    image = picture()
    apply(image, {"channel_order": "bgr"}, {"rescale": 0.5})
    np.testing.assert_array_equal(image, picture())


@pytest.mark.parametrize(
    ("name", "close"),
    [("resise", "resize"), ("center_crop", "central_crop"), ("normalise", "normalize")],
)
def test_an_unknown_step_is_named_with_its_close_match(name: str, close: str) -> None:
    with pytest.raises(DataError, match=f"'{name}'") as caught:
        build_transform([{name: 1}])
    assert f"'{close}'" in caught.value.remedy
    assert all(step in caught.value.expected for step in STEPS)


@pytest.mark.parametrize("step", [{}, {"rescale": 1.0, "cast": "int8"}])
def test_a_step_names_exactly_one_operation(step: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="exactly one"):
        build_transform([step])


@pytest.mark.parametrize(
    "step",
    [
        {"resize": {"height": 8}},
        {"resize": 8},
        {"resize": {"height": 0, "width": 8}},
        {"resize": {"height": 8.5, "width": 8}},
        {"resize": {"height": 8, "width": 8, "methode": "box"}},
        {"resize": {"height": 8, "width": 8, "method": "cubic"}},
        {"resize": {"height": 8, "width": 8, "method": 3}},
        {"resize_short_side": {"size": -1}},
        {"resize_short_side": {"size": "8"}},
        {"central_crop": {"height": 8}},
        {"central_crop": None},
        {"rescale": "half"},
        {"rescale": {"factor": 2}},
        {"normalize": {"mean": 0.0}},
        {"normalize": {"mean": 0.0, "std": 0.0}},
        {"normalize": {"mean": 0.0, "std": [1.0, -1.0]}},
        {"channel_order": "grb"},
        {"cast": "float31"},
        {"cast": None},
        {"expand_dims": None},
    ],
)
def test_bad_arguments_are_an_error_that_shows_the_right_ones(step: dict[str, Any]) -> None:
    ((name, arguments),) = step.items()
    with pytest.raises(DataError, match=f"'{name}'") as caught:
        build_transform([step])
    assert repr(arguments) in caught.value.found
    assert caught.value.expected.startswith(f"{name}(")


@pytest.mark.parametrize(
    ("step", "shape"),
    [
        ({"resize": {"height": 4, "width": 4}}, (8, 8)),
        ({"normalize": {"mean": [1.0, 2.0], "std": 1.0}}, (8, 8, 3)),
        ({"expand_dims": 9}, (8, 8)),
    ],
)
def test_a_step_that_does_not_fit_the_example_is_an_error(
    step: dict[str, Any], shape: tuple[int, ...]
) -> None:
    with pytest.raises(DataError, match=f"'{next(iter(step))}' failed") as caught:
        build_transform([step])(np.zeros(shape, np.uint8))
    assert str(shape) in caught.value.found


def test_the_hash_is_that_of_the_declaration() -> None:
    def digest(*steps: dict[str, Any]) -> str:
        return build_transform(steps).sha256

    first, second = {"rescale": {"scale": 0.5, "offset": 1.0}}, {"cast": "float32"}
    assert digest(first, second) == digest(first, second)
    assert digest({"rescale": {"offset": 1.0, "scale": 0.5}}, second) == digest(first, second)
    others = [
        digest(second, first),
        digest(first),
        digest({"rescale": {"scale": 0.5, "offset": 1.5}}, second),
        digest(),
    ]
    assert len({digest(first, second), *others}) == 5


class Project:
    """A project folder with a module in it, importable because it is the working folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, source: str, module: str = "my_transform") -> str:
        sys.modules.pop(module, None)
        (self.folder / f"{module}.py").write_text(source)
        return f"{module}:prepare"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [item for item in sys.path if item])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return Project(tmp_path)


def test_a_function_of_the_project_is_the_transform(project: Project) -> None:
    transform = build_transform(project.write("def prepare(image):\n    return image[:2] * 2\n"))
    got = transform(np.arange(6, dtype=np.int16).reshape(3, 2))
    assert got.tolist() == [[0, 2], [4, 6]]
    assert got.dtype == np.int16


def test_the_hash_changes_with_the_function_s_source(project: Project) -> None:
    source = "def prepare(image):\n    return image\n"
    first = build_transform(project.write(source)).sha256
    assert build_transform(project.write(source)).sha256 == first
    helper = source + "\nHELPER = 1  # the function may use it\n"
    second = build_transform(project.write(helper)).sha256
    assert second != first
    assert build_transform(project.write(source)).sha256 == first


def test_two_functions_of_one_module_have_two_hashes(project: Project) -> None:
    project.write("def prepare(image):\n    return image\n\ndef other(image):\n    return -image\n")
    first, second = build_transform("my_transform:prepare"), build_transform("my_transform:other")
    assert first.sha256 != second.sha256


@pytest.mark.parametrize("spec", ["", ":", "no_such_module:prepare", "json:no_such_name", "json"])
def test_a_function_that_is_not_there_is_an_error(spec: str) -> None:
    with pytest.raises(ParameterError, match="cannot be imported") as caught:
        build_transform(spec)
    assert f"'{spec}'" in caught.value.what


@pytest.mark.parametrize("source", ["def prepare(:\n", "undefined_name\n", "import no_such_one\n"])
def test_a_module_that_cannot_be_loaded_is_an_error(project: Project, source: str) -> None:
    with pytest.raises(ParameterError, match="cannot be imported"):
        build_transform(project.write(source))


def test_a_function_that_fails_is_an_error_that_quotes_it(project: Project) -> None:
    spec = project.write("def prepare(image):\n    raise KeyError('my mistake')\n")
    with pytest.raises(DataError, match="my mistake"):
        build_transform(spec)(picture())


def test_a_name_that_is_no_function_is_an_error(project: Project) -> None:
    spec = project.write("prepare = 3\n")
    with pytest.raises(ParameterError, match="my_transform:prepare") as caught:
        build_transform(spec)
    assert "no function, but of type int" in caught.value.found


RESULTS = {
    "nothing": ("None", "NoneType"),
    "text": ("'a picture'", "str"),
    "lists of two lengths": ("[[1], [2, 3]]", "ValueError"),
    "objects": ("image.astype(object)", "dtype object"),
    "complex": ("image * 1j", "dtype complex"),
    "an object": ("object()", "result of object"),
}


@pytest.mark.parametrize(("result", "said"), RESULTS.values(), ids=RESULTS)
def test_a_function_that_gives_no_numbers_is_an_error(
    project: Project, result: str, said: str
) -> None:
    spec = project.write(f"def prepare(image):\n    return {result}\n")
    with pytest.raises(DataError, match="'my_transform:prepare' failed") as caught:
        build_transform(spec)(picture())
    assert said in caught.value.found


def test_lists_of_numbers_are_an_array(project: Project) -> None:
    spec = project.write("def prepare(image):\n    return [[1, 2], [3, 4]]\n")
    assert build_transform(spec)(picture()).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "source", ["import sys\ndef prepare(image):\n    sys.exit(0)\n", "import sys\nsys.exit(0)\n"]
)
def test_a_function_or_module_that_ends_the_process_is_an_error(
    project: Project, source: str
) -> None:
    spec = project.write(source)
    with pytest.raises((DataError, ParameterError), match="SystemExit"):
        build_transform(spec)(picture())


def test_the_line_that_failed_is_named(project: Project) -> None:
    spec = project.write("def prepare(image):\n    part = image[0]\n    return part['a']\n")
    with pytest.raises(DataError, match=r"my_transform\.py, line 3"):
        build_transform(spec)(picture())


def test_a_mask_follows_the_image_without_mixing_classes() -> None:
    spec = [{"resize_short_side": {"size": 8}}, {"central_crop": {"height": 8, "width": 8}},
            {"rescale": {"scale": 0.1}}]  # fmt: skip
    image = np.zeros((16, 24, 3), np.uint8)
    mask = np.zeros((16, 24), np.uint8)
    mask[:, 12:] = 7
    transform = build_transform(spec)
    found = transform.on_label(mask, image)
    assert transform(image).shape[:2] == found.shape == (8, 8)
    assert sorted(set(found.ravel().tolist())) == [0, 7]
    assert (found[:, :4] == 0).all()
    assert (found[:, 4:] == 7).all()
    vector = np.arange(3)
    assert transform.on_label(vector, image) is vector
    assert build_transform([]).on_label(mask, image) is mask


def test_steps_by_input() -> None:
    transform = build_transform({"a": [{"rescale": {"scale": 2.0}}]})
    found = transform({"a": np.ones(2), "b": np.arange(2)})
    np.testing.assert_array_equal(found["a"], [2, 2])
    assert found["b"].dtype.kind == "i"
    for spec, example in (
        ({"c": []}, {"a": np.ones(2)}),
        ([{"rescale": {"scale": 2.0}}], {"a": np.ones(2)}),
        ({"a": []}, np.ones(2)),
    ):
        with pytest.raises(DataError, match="not for the inputs"):
            build_transform(spec)(example)
