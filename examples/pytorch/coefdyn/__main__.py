# SPDX-License-Identifier: MIT
"""python -m coefdyn cuda [MIXER...] [--types T...] [--jobs N]: compiles mixers for CUDA ahead of their first call."""
import argparse
import sys

from . import cuda, operators

line = argparse.ArgumentParser(prog="python -m coefdyn")
cuda_line = line.add_subparsers(required=True, metavar="cuda").add_parser("cuda", help="compiles mixers for CUDA ahead of their first call")
cuda_line.add_argument("mixers", nargs="*", metavar="MIXER", help="of " + ", ".join(operators.mixers()) + "; none: all of them")
cuda_line.add_argument("--types", nargs="+", default=["float32", "bfloat16"], metavar="T", help="of float64, float32, bfloat16, float16; float32 bfloat16 if left out")
cuda_line.add_argument("--jobs", type=int, metavar="N", help="units at a time; as many as there are cores if left out")
given = line.parse_args()
try:
    cuda.prepare(*given.mixers, types=given.types, jobs=given.jobs)
except (RuntimeError, ValueError) as error:
    sys.exit(str(error))
