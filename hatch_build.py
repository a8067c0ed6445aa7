"""Compile the kernel of `lin.lineage.tables` when a wheel is built, an editable one too; by hand: run this file.

The library has no Python in it (ctypes loads it), so one wheel serves every Python of a platform. Where there is no
C compiler, or where `LIN_KERNEL=0` is set, the wheel is pure, and tables are digested by slow Python.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
SOURCES = ROOT / "lineage" / "tables" / "native"
LIBRARY = ROOT / "lineage" / "tables" / "_kernel.so"
# No -ffast-math and no contraction: the arithmetic of numbers.c depends on each rounding.
FLAGS = ["-std=gnu11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-ffp-contract=off", "-fno-strict-aliasing"]


def compiler() -> list[str] | None:
    """Find a C compiler: `CC`, or what the system calls one."""
    named = os.environ.get("CC")
    if named:
        return shlex.split(named)
    found = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    return [found] if found else None


def build(target: Path = LIBRARY, *flags: str) -> str | None:
    """Compile the kernel; returns why that failed."""
    command = compiler()
    if command is None:
        return "there is no C compiler (cc, gcc, clang, or the one that CC names)"
    if sys.maxsize < 2**32:
        return "it needs a machine of 64 bits"
    fresh = target.with_suffix(".new")
    sources = [str(path) for path in sorted(SOURCES.glob("*.c"))]
    extra = shlex.split(os.environ.get("CFLAGS", ""))
    if sys.platform == "darwin":
        extra += shlex.split(os.environ.get("ARCHFLAGS", ""))
    try:
        done = subprocess.run(  # noqa: S603 - the compiler that the person who builds has chosen
            [*command, *FLAGS, *flags, *extra, "-o", str(fresh), *sources, "-lm"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return str(error)
    if done.returncode:
        return f"the compiler failed: {done.stderr.strip()[-2000:]}"
    fresh.replace(target)  # a process that has the old one loaded keeps it
    return None


def is_fresh() -> bool:
    """Tell whether the kernel is there and younger than its source."""
    made_of = [Path(__file__), *SOURCES.iterdir()]
    return LIBRARY.exists() and LIBRARY.stat().st_mtime >= max(path.stat().st_mtime for path in made_of)


def platform_tag() -> str:
    """Name the platform as wheels do; on Linux with the version of the C library here, as an older one may not do."""
    from packaging.tags import platform_tags  # noqa: PLC0415 - hatchling brings it

    tags = list(platform_tags())
    return next((tag for tag in tags if not tag.startswith("linux_")), tags[0])


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand
    pass
else:

    class KernelHook(BuildHookInterface):  # type: ignore[type-arg, unused-ignore]
        """Put the compiled kernel into wheels."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Compile it, and name the platform in the wheel's tag; say so where that is impossible."""
            reason = None
            if os.environ.get("LIN_KERNEL") == "0":
                reason = "LIN_KERNEL=0"
            elif version != "editable" or not is_fresh():
                reason = build()
            if reason is not None:
                self.app.display_warning(f"lin is built without its kernel for tables, which stay slow: {reason}")
                return
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform_tag()}"
            if version != "editable":
                build_data["force_include"][str(LIBRARY)] = "lin/lineage/tables/_kernel.so"


if __name__ == "__main__":
    sys.exit(build())
