"""Where the helper programs of the Python unit tests are: FONDANT_BUILD or ./build."""

import os
import pathlib

ROOT = pathlib.Path(__file__).parent.parent.parent


def tool(name):
    path = pathlib.Path(os.environ.get("FONDANT_BUILD", ROOT / "build")) / "tests" / "unit" / name
    assert path.exists(), f"{path} is not built: make tools"
    return str(path)
