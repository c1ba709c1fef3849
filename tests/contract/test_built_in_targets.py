"""The built-in targets against the runtime itself, and against Coral's table."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest
from ai_edge_litert import schema_py_generated as schema
from tests.tflite.tiny_model import tree

from quantline.contract.targets import BUILT_IN, load
from quantline.edgetpu.mapping.operators import TABLE
from quantline.tflite.consistency import OPERATORS
from quantline.tflite.edit import pack

NUMBERS = {name: number for number, name in OPERATORS.items()}


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_target_says_what_it_is_from(name: str) -> None:
    target = load(name)
    assert target.name == name
    assert target.description
    assert target.source


def test_edgetpu_has_the_operators_of_the_documented_table() -> None:
    assert load("edgetpu").operators == {name: value.version for name, value in TABLE.items()}


def loads(code: schema.OperatorCodeT) -> bool:
    """Whether the runtime loads a model that names this operator, whether it uses it or not."""
    from ai_edge_litert.interpreter import Interpreter

    made = tree()
    made.operatorCodes.append(code)
    try:
        Interpreter(model_content=pack(made, 1 << 12))
    except ValueError as error:
        assert "Didn't find op for builtin opcode" in str(error)  # noqa: PT017
        return False
    return True


def operator_code(number: int, version: int) -> schema.OperatorCodeT:
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), version
    return code


measured = pytest.mark.skipif(
    not version("ai-edge-litert").startswith("2.3."),
    reason="the versions of 'cpu' are those of ai-edge-litert 2.3",
)
# A model cannot name these as an operator of its own: the runtime makes or inlines them.
NEVER = {"CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES"}


@measured
def test_cpu_has_the_highest_versions_that_the_runtime_loads() -> None:
    highest = load("cpu").operators
    assert highest is not None
    found = {
        name: loads(operator_code(NUMBERS[name], top))
        and not loads(operator_code(NUMBERS[name], top + 1))
        for name, top in highest.items()
    }
    assert [name for name, is_right in found.items() if not is_right] == []


@measured
def test_cpu_lacks_what_the_runtime_does_not_load() -> None:
    lacking = NUMBERS.keys() - load("cpu").operators.keys() - NEVER
    assert [name for name in lacking if loads(operator_code(NUMBERS[name], 1))] == []


CUSTOM = """
import sys
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tests.tflite.tiny_model import file, with_operator
model = file(with_operator(32, [0], [3], sys.argv[1]))
Interpreter(
    model_content=model,
    experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
).allocate_tensors()
"""


@measured
@pytest.mark.parametrize("name", [*load("cpu").custom_operators, "Nobody"])
def test_cpu_has_the_custom_operators_that_the_runtime_resolves(name: str) -> None:
    # The kernels that it has read options that are not there, and die of it.
    done = subprocess.run(
        [sys.executable, "-c", CUSTOM, name],
        capture_output=True, text=True, check=False, timeout=60,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.returncode != 0
    assert ("unresolved custom op" in done.stderr) == (name == "Nobody"), done.stderr
