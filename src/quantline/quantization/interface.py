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
    if tuple(size for size in given if size != 1) == tuple(size for size in taken if size != 1):
        return "Add '- expand_dims: -1' to 'dataset.transform'" if len(given) < len(taken) else (
            "Drop the extra dimension with a function 'module:name' as 'dataset.transform'"
        )  # fmt: skip
    if len(given) != 3 or len(taken) != 3:
        return "Give a function 'module:name' as 'dataset.transform' that makes this shape"
    if given[2] != taken[2]:
        color = {1: "grayscale", 3: "rgb"}.get(taken[2])
        return (
            f"The model takes {taken[2]} channels: for image files set 'dataset.image_csv.color: "
            f"{color}', else give a function 'module:name' as 'dataset.transform'"
        )
    return (
        f"Add '- resize: {{height: {taken[0]}, width: {taken[1]}}}' to 'dataset.transform', or "
        f"'- resize_short_side: {{size: {max(taken[:2])}}}' and "
        f"'- central_crop: {{height: {taken[0]}, width: {taken[1]}}}', before the scaling"
    )
