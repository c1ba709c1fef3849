"""Classification of TensorFlow's operators: those that only compute, and those with side effects.

TensorFlow does not record whether an operator uses files, the network or Python. It does record
whether it is stateful, and what its arguments are. An operator without state whose arguments name
no file, host or library only computes. Of the stateful ones, those are listed here whose state is
memory alone.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from quantline.quiet import tensorflow


def parsed_saved_model(folder: str) -> Any:
    """Return the ``SavedModel`` message of a folder, read as ``tf.saved_model.load`` reads it."""
    tensorflow()
    from tensorflow.python.saved_model.loader_impl import parse_saved_model

    return parse_saved_model(folder)


# Families of operators without state that still reach outside: data sets and readers of files,
# Python functions, debuggers that write to addresses, custom calls of compilers, other hosts.
_OUTSIDE = re.compile(
    r"^_|Dataset|File|Reader|PyFunc|Debug|CopyHost|^Copy$|Iterator|CustomCall|XlaLaunch|Host|"
    r"TPU|Tpu|DTensor|Collective|Nccl|Rpc|Remote|Session|Checkpoint|Infeed|Outfeed|Snapshot|Mlir|"
    r"^Abort$"
)
_NAMES_OUTSIDE = re.compile(
    r"file|path$|^path|_dir$|directory|address|hostname|url|port$|library|descriptor_source|token$|"
    r"memory_region",
    re.IGNORECASE,
)
# Variables, tables, random numbers, lists, stacks and queues in memory; control flow; checks.
_IN_MEMORY = re.compile(
    r"VarHandleOp|ReadVariableOp|Assign(Add|Sub)?VariableOp|VarIsInitializedOp|Variable(V2|Shape)?|"
    r"TemporaryVariable|DestroyResourceOp|DisableCopyOnRead|IsResourceHandleRefCounting|"
    r"Resource(Gather|GatherNd|StridedSliceAssign|CountUpTo|(Sparse)?Apply\w+|Scatter\w+)|"
    r"StatefulPartitionedCall|If|While|Case|"
    r"(Anonymous)?(Mutable)?(Dense)?HashTable(OfTensors)?(V2)?|"
    r"LookupTable(Export|Find|Import|Insert|Remove|Size)V2|InitializeTableV2|"
    r"Random(Crop|Gamma|Poisson|PoissonV2|Shuffle|StandardNormal|Uniform|UniformInt)|"
    r"Stateful(RandomBinomial|StandardNormal|StandardNormalV2|TruncatedNormal|Uniform\w*)|"
    r"TruncatedNormal|ParameterizedTruncatedNormal|Multinomial|NonDeterministicInts|"
    r"Rng(ReadAnd)?Skip|StatelessRandomGetAlg|\w*CandidateSampler|SampleDistortedBoundingBox(V2)?|"
    r"TensorArray\w*|Stack(Close|Pop|Push)?(V2)?|(FIFO|PaddingFIFO|Priority|RandomShuffle)Queue(V2)?|"
    r"Queue\w+V2|CudnnRNN\w*|Assert|CheckNumerics(V2)?|Empty|DeviceIndex|GuaranteeConst|Timestamp|"
    r"DeepCopy|IsTensorFloat32Enabled|ThreadUnsafeUnigramCandidateSampler|Print|"
    r"(Take|Add)ManySparse(From|To)TensorsMap|AddSparseToTensorsMap"
)
# Reads and writes the variables of a checkpoint; part of every SavedModel, to load and save it.
SAVING = frozenset({"SaveV2", "MergeV2Checkpoints", "ShardedFilename", "SaveSlices", "Save"})
RESTORING = frozenset({"RestoreV2", "RestoreSlice", "Restore"})
# Fill a lookup table from a text file, which should be an asset of the model.
FROM_TEXT_FILE = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
# Prints, to a file if so configured.
PRINT = "PrintV2"
PRINT_TARGETS = frozenset({b"stdout", b"stderr", b"log(info)", b"log(warning)", b"log(error)"})


@cache
def is_harmless(name: str) -> bool:
    """Return True if an operator of TensorFlow only computes, or keeps its state in memory.

    An operator unknown to TensorFlow counts as harmless: nothing can run it.
    """
    tensorflow()
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(name)
    if definition is None:
        return not name.startswith("_")
    arguments = [*definition.input_arg, *definition.attr]
    if any(_NAMES_OUTSIDE.search(argument.name) for argument in arguments):
        return False
    if definition.is_stateful:
        return bool(_IN_MEMORY.fullmatch(name))
    return not _OUTSIDE.search(name)
