"""The long description of a release: README.md as it reads outside of the repository.

Pictures of the repository are left out. A link into it leads to the address ``Repository`` of pyproject.toml, and is
its text while there is none. Everything else about the package is in pyproject.toml.
"""

import re
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
_PICTURE = re.compile(r"^!\[[^\]]*\]\((?!https?:)[^)]*\)\n?", re.M)
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:)([^)]*)\)")


def long_description(readme: str, repository: str | None) -> str:
    text = _PICTURE.sub("", readme)
    return _LINK.sub(rf"[\1]({repository}/blob/main/\2)" if repository else r"\1", text)


if __name__ == "__main__":
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    setup(
        long_description=long_description((ROOT / "README.md").read_text(), project["urls"].get("Repository")),
        long_description_content_type="text/markdown",
    )
