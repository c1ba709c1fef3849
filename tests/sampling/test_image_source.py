from __future__ import annotations

import hashlib
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from quantline import recipe
from quantline.errors import DataError
from quantline.sampling import Example, Source, open_source

if TYPE_CHECKING:
    from pathlib import Path


def opened(folder: Path, **image_csv: Any) -> Source:
    values = recipe.ImageCsv(**image_csv)
    return open_source(recipe.Dataset(source="image_csv", data_dir=str(folder), image_csv=values))


def picture(seed: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (4, 6, channels), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images below 'images', and a list of three of them."""
    (tmp_path / "images" / "deep").mkdir(parents=True)
    for index, name in enumerate(("a.png", "b.png", "deep/c.bmp", "d.PNG")):
        Image.fromarray(picture(index)).save(tmp_path / "images" / name)
    (tmp_path / "images" / "notes.txt").write_text("no image")
    (tmp_path / "list.csv").write_text(
        "file,label\nimages/b.png,2\nimages/a.png,0\nimages/deep/c.bmp,1\n"
    )
    return tmp_path


def chosen(source: Source, split: str) -> list[Example]:
    return list(source.examples(split, {entry.id for entry in source.entries(split)}))


def test_a_list_names_files_and_labels_in_its_order(folder: Path) -> None:
    entries = list(opened(folder).entries("list.csv"))
    assert entries == [("images/b.png", 2), ("images/a.png", 0), ("images/deep/c.bmp", 1)]


def test_examples_are_the_decoded_images(folder: Path) -> None:
    found = chosen(opened(folder), "list.csv")
    for example, seed in zip(found, (1, 0, 2), strict=True):
        np.testing.assert_array_equal(example.value, picture(seed))
        content = (folder / example.id).read_bytes()
        assert example.sha256 == hashlib.sha256(content).hexdigest()
    assert [example.label for example in found] == [2, 0, 1]


def test_files_start_from_the_list_s_own_folder(folder: Path) -> None:
    (folder / "images" / "inner.csv").write_text("file,label\ndeep/c.bmp,7\n")
    (example,) = chosen(opened(folder), "images/inner.csv")
    assert (example.id, example.label) == ("deep/c.bmp", 7)
    np.testing.assert_array_equal(example.value, picture(2))


def test_a_folder_is_all_its_images_without_labels(folder: Path) -> None:
    found = chosen(opened(folder), "images")
    assert [(example.id, example.label) for example in found] == [
        ("a.png", None),
        ("b.png", None),
        ("d.PNG", None),
        ("deep/c.bmp", None),
    ]
    np.testing.assert_array_equal(found[3].value, picture(2))


def test_a_folder_that_is_called_like_an_image_is_no_image(folder: Path) -> None:
    (folder / "images" / "folder.png").mkdir()
    assert len(list(opened(folder).entries("images"))) == 4


def test_slices(folder: Path) -> None:
    source = opened(folder)
    assert [entry.label for entry in source.entries("list.csv[1:]")] == [0, 1]
    assert [entry.label for entry in source.entries("list.csv[:33%]")] == [2]
    assert [entry.id for entry in source.entries("images[2:]")] == ["d.PNG", "deep/c.bmp"]


def test_a_list_without_labels_is_unlabelled(folder: Path) -> None:
    (folder / "list.csv").write_text("file\nimages/b.png\nimages/a.png\n")
    assert [entry.label for entry in opened(folder).entries("list.csv")] == [None, None]


def test_the_columns_may_have_other_names(folder: Path) -> None:
    (folder / "list.csv").write_text("id,class,path\n1,5,images/b.png\n")
    source = opened(folder, file_column="path", label_column="class")
    assert list(source.entries("list.csv")) == [("images/b.png", 5)]


def test_a_list_from_a_spreadsheet_is_read(folder: Path) -> None:
    text = 'file,label\r\n"images/b.png",2\r\n"images/a.png","0"\r\n'
    (folder / "list.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert list(opened(folder).entries("list.csv")) == [("images/b.png", 2), ("images/a.png", 0)]


def test_names_may_hold_commas_and_letters_of_any_language(folder: Path) -> None:
    Image.fromarray(picture(9)).save(folder / "é, ü.png")
    (folder / "list.csv").write_text('file,label\n"é, ü.png",2\n', encoding="utf-8")
    (example,) = chosen(opened(folder), "list.csv")
    np.testing.assert_array_equal(example.value, picture(9))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
def test_images_of_every_mode_become_what_was_asked_for(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(picture(3)).convert(mode)
    image.save(tmp_path / "a.png")
    (rgb,) = chosen(opened(tmp_path), ".")
    (gray,) = chosen(opened(tmp_path, color="grayscale"), ".")
    assert (rgb.value.shape, gray.value.shape) == ((4, 6, 3), (4, 6, 1))
    np.testing.assert_array_equal(rgb.value, np.asarray(image.convert("RGB")))
    np.testing.assert_array_equal(gray.value[..., 0], np.asarray(image.convert("L")))


def test_images_may_have_many_sizes(tmp_path: Path) -> None:
    for index, size in enumerate([(3, 5), (9, 2)]):
        Image.new("RGB", size).save(tmp_path / f"{index}.png")
    shapes = [example.value.shape for example in chosen(opened(tmp_path), ".")]
    assert shapes == [(5, 3, 3), (2, 9, 3)]


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "list.csv").write_text("file,label\nimages/none.png,0\n")
    with pytest.raises(DataError, match=r"images/none\.png"):
        chosen(opened(folder), "list.csv")


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_a_file_that_is_no_image_is_named(folder: Path, content: bytes) -> None:
    (folder / "images" / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png"):
        chosen(opened(folder), "list.csv")


def test_an_image_that_was_cut_off_is_named(folder: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(image).save(folder / "images" / "a.png")
    content = (folder / "images" / "a.png").read_bytes()
    (folder / "images" / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"a\.png"):
        chosen(opened(folder), "list.csv")


def test_only_chosen_images_are_opened(folder: Path) -> None:
    (folder / "images" / "a.png").write_bytes(b"no image")
    found = list(opened(folder).examples("list.csv", {"images/b.png"}))
    assert [example.id for example in found] == ["images/b.png"]


@pytest.mark.parametrize("text", ["", "name,label\na.png,1\n", "images/a.png,0\n"])
def test_a_list_without_the_column_is_an_error_that_shows_its_columns(
    folder: Path, text: str
) -> None:
    (folder / "list.csv").write_text(text)
    with pytest.raises(DataError, match="no column 'file'") as caught:
        list(opened(folder).entries("list.csv"))
    assert (
        caught.value.found
        == f"the columns {', '.join(text[: text.find(chr(10))].split(',')) or 'none'}"
    )


@pytest.mark.parametrize("label", ["", "cat", "1.0", "None"])
def test_a_label_that_is_no_class_index_is_an_error_with_its_line(folder: Path, label: str) -> None:
    (folder / "list.csv").write_text(f"file,label\nimages/a.png,1\nimages/b.png,{label}\n")
    with pytest.raises(DataError, match="Line 3") as caught:
        list(opened(folder).entries("list.csv"))
    assert caught.value.found == f"'{label}'"


def test_a_line_without_a_file_is_an_error_with_its_number(folder: Path) -> None:
    (folder / "list.csv").write_text("label,file\n1,images/a.png\n2\n3,\n")
    with pytest.raises(DataError, match="Line 3"):
        list(opened(folder).entries("list.csv"))


@pytest.mark.parametrize("name", ["none.csv", "none", "images/a.png"])
def test_what_is_no_list_is_an_error(folder: Path, name: str) -> None:
    with pytest.raises(DataError, match=name):
        list(opened(folder).entries(name))


@pytest.mark.parametrize(
    "text",
    [
        "label,file\n1,images/a.png\n2\n",  # a line that ends before the file
        f"file,label\n{'a' * 200_000},1\n",  # an endless cell
        'file,label\n"images/a.png,1\n',  # a quote that is never closed
    ],
)
def test_a_damaged_list_is_an_error_of_ours(folder: Path, text: str) -> None:
    (folder / "list.csv").write_text(text)
    with pytest.raises((DataError, DataError, DataError, DataError)):
        chosen(opened(folder), "list.csv")


def test_a_folder_without_images_is_empty(tmp_path: Path) -> None:
    assert list(opened(tmp_path).entries(".")) == []


WIDE = {
    "16-bit png": ("a.png", Image.fromarray(np.full((4, 6), 40_000, np.uint16)), "16-bit"),
    "16-bit tiff": ("a.tif", Image.fromarray(np.full((4, 6), 40_000, np.uint16)), "16-bit"),
    "16-bit pgm": ("a.png", Image.fromarray(np.full((4, 6), 40_000, np.int32)), "16-bit"),
    "32-bit tiff": ("a.tif", Image.fromarray(np.full((4, 6), 70_000, np.int32)), "32-bit"),
    "float tiff": ("a.tif", Image.fromarray(np.full((4, 6), 0.5, np.float32)), "floating point"),
}


@pytest.mark.parametrize(("name", "image", "said"), WIDE.values(), ids=WIDE)
@pytest.mark.parametrize("color", ["rgb", "grayscale"])
def test_values_that_8_bits_do_not_hold_are_not_cut_off(
    tmp_path: Path, name: str, image: Image.Image, said: str, color: str,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    image.save(tmp_path / name, format="PPM" if "pgm" in request.node.callspec.id else None)
    with pytest.raises(DataError, match=name) as wrong:
        chosen(opened(tmp_path, color=color), ".")
    assert said in wrong.value.found


@pytest.mark.parametrize("alpha", [False, True])
def test_colours_of_16_bits_are_scaled_by_their_depth(tmp_path: Path, alpha: bool) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (4, 6, 3 + alpha)).astype(np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", 6, 4, 16, 6 if alpha else 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ))  # fmt: skip
    (example,) = chosen(opened(tmp_path), ".")
    assert np.abs(example.value - values[..., :3] / 257).max() <= 1


def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("L", (6, 4), value) for value in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    (example,) = chosen(opened(tmp_path, color="grayscale"), ".")
    assert (example.value == 10).all()


def test_cmyk_becomes_rgb_as_pillow_has_it(tmp_path: Path) -> None:
    image = Image.fromarray(picture(3)).convert("CMYK")
    image.save(tmp_path / "a.tif")
    (example,) = chosen(opened(tmp_path), ".")
    np.testing.assert_array_equal(example.value, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("size", [(20_000, 10_000), (60_000, 60_000)])
def test_an_image_that_claims_more_pixels_than_memory_is_refused(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    Image.new("1", (8, 8)).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    for place, value in zip((16, 20), size, strict=True):
        content[place : place + 4] = value.to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png") as wrong:
        chosen(opened(tmp_path), ".")
    assert "pixels" in wrong.value.found


def test_a_program_for_a_printer_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n%%EOF\n")
    with pytest.raises(DataError, match="bytes of another kind"):
        chosen(opened(tmp_path), ".")


@pytest.mark.parametrize("kind", ["pipe", "device", "loop"])
def test_what_is_no_file_is_never_opened(folder: Path, kind: str) -> None:
    path = folder / "images" / "odd.png"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    (folder / "list.csv").write_text("file,label\nimages/odd.png,0\n")
    with pytest.raises(DataError, match=f"a {kind}"):
        chosen(opened(folder), "list.csv")
    (folder / "other.csv").symlink_to(path)
    with pytest.raises(DataError, match=f"a {kind}"):
        list(opened(folder).entries("other.csv"))


def test_what_libtiff_says_of_damage_is_not_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(picture(3)).save(tmp_path / "a.tif", compression="tiff_lzw")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[12:40] = b"\xff" * 28
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tif"):
        chosen(opened(tmp_path), ".")
    assert capfd.readouterr().err == ""


def test_no_error_names_an_address_in_memory(folder: Path) -> None:
    (folder / "images" / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError) as wrong:
        chosen(opened(folder), "list.csv")
    assert "0x" not in str(wrong.value)


@pytest.mark.parametrize("name", ["n" * 300, "a\0b", "images/a.png/inner.png"])
def test_a_name_that_no_file_has_is_an_error(folder: Path, name: str) -> None:
    (folder / "list.csv").write_text(f"file,label\n{name},0\n")
    with pytest.raises(DataError):
        chosen(opened(folder), "list.csv")
    with pytest.raises((DataError, DataError)):
        list(opened(folder).entries(name))


def test_a_label_of_many_digits_is_shown_in_part(folder: Path) -> None:
    (folder / "list.csv").write_text(f"file,label\nimages/a.png,{'9' * 5000}\n")
    with pytest.raises(DataError, match="Line 2") as wrong:
        list(opened(folder).entries("list.csv"))
    assert len(str(wrong.value)) < 400
