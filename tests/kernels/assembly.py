"""A kernel's hot loop, read from the assembly that LLVM makes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import tvm

from rdpass.deploy.lowering import tvm_target
from rdpass.targets.lookup import Target

_LABEL = re.compile(r"^(?!\.Ltmp)[\w.$]+:")
_BRANCH = re.compile(r"(b|br|bl|blr|ret|cbn?z|tbn?z|b\.\w+)\b")
_PRODUCT = re.compile(r"fmla\s+v(\d+)\.4s, v\d+\.4s, v\d+\.s\[\d\]")
_STORE = re.compile(r"st(?:r|p|ur)\s+q(\d+)(?:, q(\d+))?,")


@dataclass(frozen=True)
class Block:
    """Straight code, branch included. Products are what dense kernels consist of: FMLA by element."""

    instructions: tuple[str, ...]

    @property
    def products(self) -> int:
        return sum(bool(_PRODUCT.match(line)) for line in self.instructions)

    @property
    def share(self) -> float:
        """Of the instructions, those that are products."""
        return self.products / len(self.instructions)

    @property
    def stored_sums(self) -> set[str]:
        """Registers that products are summed in, and that are stored here too."""
        sums = {match[1] for match in map(_PRODUCT.match, self.instructions) if match}
        return sums & {number for match in map(_STORE.match, self.instructions) if match for number in match.groups()}


def assembly_of(function: Any, target: Target, pipeline: Any) -> str:
    module = tvm.IRModule({"kernel": function.with_attr("global_symbol", "kernel")})
    return str(tvm.tirx.build(module, target=tvm_target(target), pipeline=pipeline).inspect_source("asm"))


def loops(assembly: str) -> list[Block]:
    """The blocks that end with a branch back to where they begin."""
    found, label, lines = list[Block](), "", list[str]()
    for raw in assembly.splitlines():
        line = raw.partition("//")[0].rstrip()
        if _LABEL.match(line):
            label, lines = line.partition(":")[0], []
        elif line.startswith("\t") and not line.strip().startswith("."):
            lines.append(line.strip())
            if _BRANCH.match(lines[-1]):
                if label and re.search(rf"\s{re.escape(label)}$", lines[-1]):
                    found.append(Block(tuple(lines)))
                label, lines = "", []
    return found


def hottest(assembly: str) -> Block:
    """The loop that multiplies most in one turn."""
    return max(loops(assembly), key=lambda block: block.products)
