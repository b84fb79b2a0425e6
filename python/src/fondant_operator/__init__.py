"""Turns pipelines of the Fondant framework (0.12) into FondantPipeline objects.

    from fondant_operator import export, to_yaml
    print(to_yaml(export(dataset)))

Nothing of the framework is imported, and no object of the caller's is changed.
"""

from fondant_operator.errors import ExportError, Problem
from fondant_operator.export import Options, export
from fondant_operator.yaml_text import to_yaml

__all__ = ["ExportError", "Options", "Problem", "export", "to_yaml"]
__version__ = "0.1.0"
