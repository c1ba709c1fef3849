"""Whether examples fit a model's input, and if not, which transform would make them."""

from __future__ import annotations

from quantline.errors import InputMismatch


def check_input(given: tuple[int, ...], taken: tuple[int, ...], model: str) -> None:
    """Check that examples have the shape that a model takes.

    Args:
        given: The examples' shape, without the batch dimension.
        taken: The model's input shape, without the batch dimension.
        model: What to call the model.

    Raises:
        InputMismatch: With the transform that would make them fit.
    """
    if given == taken:
        return
    raise InputMismatch(
        f"The examples do not have the shape that '{model}' takes",
        found=f"{given} after the transform",
        expected=f"{taken}",
        remedy=_fitting_transform(given, taken),
    )


def _fitting_transform(given: tuple[int, ...], taken: tuple[int, ...]) -> str:
    for axis, size in enumerate(taken):
        if size == 1 and taken[:axis] + taken[axis + 1 :] == given:
            last = axis == len(taken) - 1
            return f"Add '- expand_dims: {-1 if last else axis}' to 'dataset.transform'"
    if len(given) > len(taken) and [each for each in given if each != 1] == [
        each for each in taken if each != 1
    ]:
        return "Drop the extra dimension with a function 'module:name' as 'dataset.transform'"
    if len(given) != 3 or len(taken) != 3:
        return "Give a function 'module:name' as 'dataset.transform' that makes this shape"
    color = {1: "grayscale", 3: "rgb"}.get(taken[2])
    if given[2] != taken[2] and color is None:
        return "Give a function 'module:name' as 'dataset.transform' that makes this shape"
    if given[2] != taken[2]:
        return (
            f"The model takes {taken[2]} channels: for image files set 'dataset.image_csv.color: "
            f"{color}', else give a function 'module:name' as 'dataset.transform'"
        )
    return (
        f"Add '- resize: {{height: {taken[0]}, width: {taken[1]}}}' to 'dataset.transform', or "
        f"'- resize_short_side: {{size: {max(taken[:2])}}}' and "
        f"'- central_crop: {{height: {taken[0]}, width: {taken[1]}}}', before the scaling"
    )
