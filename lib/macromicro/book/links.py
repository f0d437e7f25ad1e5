"""Links out of the book: papers, packages and licences lead to where they can be read, wherever they are named."""

import re
from importlib import metadata

HOMES = ("homepage", "home-page", "documentation", "source", "repository")
"""Where the description of a package may name its home, the first that it does."""
PAPER = re.compile(r"(?<![\[`/\w])arXiv[ :](\d{4}\.\d{5})\b")
CREATIVE_COMMONS = re.compile(r"\bCC[ -](BY(?:-NC)?(?:-SA|-ND)?)[ -](\d\.\d)\b")
SPDX = re.compile(r"\b(?:Apache[ -]2\.0|MIT|AFL[ -]3\.0|BSD-[23]-Clause|CC0-1\.0|ODC-By-1\.0)\b")


def link_papers(text: str) -> str:
    """The Markdown with every paper of arXiv as a link; those that are links already stay as they are.

    >>> link_papers("as arXiv 2505.24768 does")
    'as [arXiv 2505.24768](https://arxiv.org/abs/2505.24768) does'
    """
    return PAPER.sub(r"[arXiv \1](https://arxiv.org/abs/\1)", text)


def link_package(name: str) -> str:
    """The name of a Python package as a link to the home that it names itself; without one where it names none.

    >>> link_package("numpy"), link_package("no-such-package")
    ('[numpy](https://numpy.org)', 'no-such-package')
    """
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return name
    lines = about.get_all("Project-URL", []) + [f"Home-page, {address}" for address in about.get_all("Home-page", [])]
    places = {label.lower(): address for label, _, address in (line.partition(", ") for line in lines)}
    home = next((places[label] for label in HOMES if label in places), None)
    return f"[{name}]({home})" if home else name


def link_licence(name: str) -> str:
    """What a source says of its licence, the licence itself linked to its text where it is a well-known one.

    >>> link_licence("CC BY-SA 4.0, as stated")
    '[CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/), as stated'
    >>> link_licence("Apache 2.0"), link_licence("public domain")
    ('[Apache 2.0](https://spdx.org/licenses/Apache-2.0.html)', 'public domain')
    """
    name = CREATIVE_COMMONS.sub(
        lambda found: f"[{found[0]}](https://creativecommons.org/licenses/{found[1].lower()}/{found[2]}/)", name
    )
    return SPDX.sub(lambda found: f"[{found[0]}](https://spdx.org/licenses/{found[0].replace(' ', '-')}.html)", name)
