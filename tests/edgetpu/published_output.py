"""What ``edgetpu_compiler`` printed for others: texts that users published, word for word.

No compiler was run for this project. File names are shortened to ``X`` and ``Y``, and tables to a
few rows where their length teaches nothing.
"""

from __future__ import annotations

NOT_ALL = (
    "Model successfully compiled but not all operations are supported by the Edge TPU. A percentage"
    " of the model will instead run on the CPU, which is slower. If possible, consider updating "
    "your model to use only operations supported by the Edge TPU. For details, visit "
    "g.co/coral/model-reqs."
)

# A detector of 267 operators, its table printed as in its .log.
V16 = f"""\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 1524 ms.

Input model: X.tflite
Input size: 4.24MiB
Output model: X_edgetpu.tflite
Output size: 5.57MiB
On-chip memory used for caching model parameters: 4.21MiB
On-chip memory remaining for caching model parameters: 3.29MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 267
Operation log: X_edgetpu.log

{NOT_ALL}
Number of operations that will run on Edge TPU: 264
Number of operations that will run on CPU: 3

Operator                       Count      Status

LOGISTIC                       57         Mapped to Edge TPU
LOGISTIC                       1          More than one subgraph is not supported
CONCATENATION                  1          Operation is otherwise supported, but not mapped due to \
some unspecified limitation
CUSTOM                         1          Operation is working on an unsupported data type
CONV_2D                        206        Mapped to Edge TPU
RESHAPE                        1          Mapped to Edge TPU
Compilation child process completed within timeout period.
Compilation succeeded!\x20
"""

V16_LOG = """\
Edge TPU Compiler version 16.0.384591198
Input: CONV_linear_MACs/X.tflite
Output: CONV_linear_MACs/X_edgetpu.tflite

Operator                       Count      Status

QUANTIZE                       1          Operation is otherwise supported, but not mapped due to \
some unspecified limitation
CONV_2D                        5          Mapped to Edge TPU
"""

# Everything is mapped; without --show_operations. More parameters than the chip holds.
V2_0 = """\
Edge TPU Compiler version 2.0.291256449

Model compiled successfully in 2356 ms.

Input model: X.tflite
Input size: 25.08MiB
Output model: X_edgetpu.tflite
Output size: 24.87MiB
On-chip memory available for caching model parameters: 6.25MiB
On-chip memory used for caching model parameters: 6.25MiB
Off-chip memory used for streaming uncached model parameters: 18.43MiB
Number of Edge TPU subgraphs: 1
Total number of operations: 77
Operation log: X_edgetpu.log
See the operation log file for individual operation details.
"""

# Printed in a book, without memory lines.
V15_WITHOUT_MEMORY = """\
Edge TPU Compiler version 15.0.340273435

Model compiled successfully in 787 ms.

Input model: X.tflite
Input size: 1.30MiB
Output model: X_edgetpu.tflite
Output size: 1.54MiB
Number of Edge TPU subgraphs: 1
Total number of operations: 31
Operation log: X_edgetpu.log
See the operation log file for individual operation details.
"""

NONE_MAPPED = f"""\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 17 ms.

Input model: X.tflite
Input size: 10.97MiB
Output model: X_edgetpu.tflite
Output size: 10.97MiB
On-chip memory used for caching model parameters: 0.00B
On-chip memory remaining for caching model parameters: 0.00B
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 0
Total number of operations: 157
Operation log: X_edgetpu.log

{NOT_ALL}
Number of operations that will run on Edge TPU: 0
Number of operations that will run on CPU: 157

Operator                       Count      Status

RESHAPE                        10         Operation is working on an unsupported data type
RESHAPE                        4          Tensor has unsupported rank (up to 3 innermost \
dimensions mapped)
Compilation child process completed within timeout period.
Compilation succeeded!\x20
"""

CO_COMPILED = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Models compiled successfully in 3498 ms.

Input model: X.tflite
Input size: 8.00MiB
Output model: X_edgetpu.tflite
Output size: 9.31MiB
On-chip memory used for caching model parameters: 1.75MiB
On-chip memory remaining for caching model parameters: 3.75KiB
Off-chip memory used for streaming uncached model parameters: 6.97MiB
Number of Edge TPU subgraphs: 1
Total number of operations: 313
Operation log: X_edgetpu.log
See the operation log file for individual operation details.

Input model: Y.tflite
Input size: 2.97MiB
Output model: Y_edgetpu.tflite
Output size: 4.79MiB
On-chip memory used for caching model parameters: 5.29MiB
On-chip memory remaining for caching model parameters: 3.75KiB
Off-chip memory used for streaming uncached model parameters: 158.06KiB
Number of Edge TPU subgraphs: 1
Total number of operations: 78
Operation log: Y_edgetpu.log
See the operation log file for individual operation details.
Compilation child process completed within timeout period.
Compilation succeeded!\x20
"""

_ATTEMPT = """\
Started a compilation timeout timer of 180 seconds.
ERROR: Restored original execution plan after delegate application failure.
Compilation failed: Compilation failed due to large activation tensors in model.
Compilation child process completed within timeout period.
Compilation failed!\x20
"""

# The first lines and names as published; the end as of any success of the same version.
SEARCHED = f"""\
Edge TPU Compiler version 16.0.384591198
Searching for valid delegate with step 1
Try to compile segment with 424 ops
{_ATTEMPT}Try to compile segment with 423 ops
Intermediate tensors: tfl.dequantize,Sigmoid1
{V16.split(chr(10), 1)[1]}"""

# The first of two segments compiled, the second not.
_FIRST_SEGMENT = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 1857 ms.

Input model: X_segment_0_of_2.tflite
Input size: 5.20MiB
Output model: X_segment_0_of_2_edgetpu.tflite
Output size: 6.51MiB
On-chip memory used for caching model parameters: 6.02MiB
On-chip memory remaining for caching model parameters: 1.02MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 84
Operation log: X_segment_0_of_2_edgetpu.log
See the operation log file for individual operation details.
Compilation child process completed within timeout period.
Compilation succeeded!\x20
"""

# Put together: the published text of a first segment, and the same for the second.
TWO_SEGMENTS = _FIRST_SEGMENT + _FIRST_SEGMENT.split("\n", 1)[1].replace("segment_0", "segment_1")

LARGE_ACTIVATIONS = f"Edge TPU Compiler version 16.0.384591198\n{_ATTEMPT}"
