"""Programs written with FlatBuffers' own builder are read back, and damaged ones refused."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from flatbuffers import flexbuffers
from tests.edgetpu import programs
from tests.edgetpu.programs import (
    EXECUTION_ONLY,
    PARAMETER_CACHING,
    STAND_ALONE,
    custom_options,
    executable,
    layer,
    package,
)

from quantline.edgetpu.compiled.package import ExecutableType, Layer, Package, read_package
from quantline.errors import ModelUnreadable


def read(*executables: bytes, **settings: Any) -> Package:
    return read_package(custom_options(package(*executables, **settings)))


def test_what_was_written_is_read() -> None:
    runs = executable(
        EXECUTION_ONLY, 24, (100, 20), [layer("image", 150_528, (224, 224, 3), 8)],
        [layer("a", 1008, (1, 1, 1001)), layer("b")], 4096, cycles_64bit=2**40, token=2**63,
    )  # fmt: skip
    found = read(runs, executable(PARAMETER_CACHING, 1000, (9,)), min_runtime_version=12)
    assert (found.min_runtime_version, found.compiler_version) == (12, "cl/1")
    main, caching = found.executables
    assert found.main is main
    assert (main.type, caching.type) == (
        ExecutableType.EXECUTION_ONLY,
        ExecutableType.PARAMETER_CACHING,
    )
    assert (main.instruction_bytes, caching.instruction_bytes) == (120, 9)
    assert (main.scratch_bytes, main.estimated_cycles) == (4096, 2**40)
    assert (main.caching_token, caching.caching_token) == (2**63, 7)
    assert main.inputs == (Layer("image", 150_528, (224, 224, 3), "int8"),)
    assert [output.name for output in main.outputs] == ["a", "b"]
    assert main.outputs[0] == Layer("a", 1008, (1, 1, 1001), "uint8")
    assert (caching.inputs, caching.outputs) == ((), ())
    assert (found.cached_bytes, found.streamed_bytes) == (1000, 24)


# How libedgetpu chooses what runs: driver/package_registry.cc.
@pytest.mark.parametrize(
    ("kinds", "runs", "cached", "streamed"),
    [
        ([STAND_ALONE], STAND_ALONE, 0, 10),
        ([EXECUTION_ONLY], EXECUTION_ONLY, 0, 12),
        ([PARAMETER_CACHING], PARAMETER_CACHING, 0, 11),
        ([PARAMETER_CACHING, EXECUTION_ONLY], EXECUTION_ONLY, 11, 12),
        ([EXECUTION_ONLY, STAND_ALONE, PARAMETER_CACHING], STAND_ALONE, 0, 10),
    ],
)
def test_what_is_cached_follows_from_what_runs(
    kinds: list[int], runs: int, cached: int, streamed: int
) -> None:
    found = read(*(executable(kind, 10 + kind) for kind in kinds))
    assert found.main.type == list(ExecutableType)[runs]
    assert (found.cached_bytes, found.streamed_bytes) == (cached, streamed)


@pytest.mark.parametrize(("old", "new", "read_as"), [(5, 0, 5), (5, 6, 6), (0, 0, None)])
def test_cycles_are_in_either_of_two_fields(old: int, new: int, read_as: int | None) -> None:
    main = read(executable(STAND_ALONE, cycles=old, cycles_64bit=new)).main
    assert main.estimated_cycles == read_as


ALONE = executable(STAND_ALONE)

REFUSED = {
    "nothing": (b"", "0 bytes of custom options"),
    "no map": (b"\x05\x04\x01", "custom options without it"),
    "no entry '4'": (bytes(flexbuffers.Dumps({"1": 0})), "custom options without it"),
    "a number": (bytes(flexbuffers.Dumps({"4": 4})), "custom options without it"),
    "another flatbuffer": (custom_options(package(ALONE, identifier=b"TFL3")), "b'TFL3'"),
    "no executable": (custom_options(package()), "executables: none"),
    "two alike": (custom_options(package(ALONE, ALONE)), "stand-alone, stand-alone"),
    "a pair that is none": (
        custom_options(package(ALONE, executable(EXECUTION_ONLY))),
        "execution-only, stand-alone",
    ),
    "four": (custom_options(package(*[ALONE] * 4)), "4 elements"),
    "an unknown type": (custom_options(package(executable(3))), "executables[0].type: 3"),
    "several chips": (custom_options(package(ALONE, virtual_chip_id=-1)), "several chips"),
    "a negative size": (
        custom_options(package(executable(STAND_ALONE, scratch=-1))),
        "executables[0].scratch_size_bytes: -1",
    ),
    "too many layers": (
        custom_options(package(executable(STAND_ALONE, inputs=[layer()] * 300))),
        "300 elements",
    ),
    "an endless name": (
        custom_options(package(executable(STAND_ALONE, outputs=[layer("x" * 70_000)]))),
        "a text of 70,000 bytes",
    ),
}


@pytest.mark.parametrize(("told", "found"), REFUSED.values(), ids=REFUSED)
def test_what_no_runtime_takes_is_refused(told: bytes, found: str) -> None:
    with pytest.raises(ModelUnreadable) as caught:
        read_package(told, "'m.tflite'")
    assert str(caught.value).startswith("'m.tflite' holds an Edge TPU program that cannot be read.")
    assert found in caught.value.found


def test_damaged_programs_are_read_or_refused() -> None:
    whole = programs.pair(50, inputs=[layer()], outputs=[layer()], chunks=(8, 8))
    draw = random.Random(0)  # noqa: S311 - the same damage each time
    refused = 0
    start = time.process_time()
    for cut in range(0, len(whole), 3):
        with pytest.raises(ModelUnreadable):
            read_package(whole[:cut])
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(damaged))
            damaged[at] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
        try:
            read_package(bytes(damaged))
        except ModelUnreadable:
            refused += 1
    assert 500 < refused < 2900
    assert time.process_time() - start < 5
