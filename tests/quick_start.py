"""Let pytest start quickly: a plugin that is named in pyproject.toml, so that it comes before all others.

nbformat looks at notebooks by jsonschema, which would make a parser for addresses beyond ASCII at its import.
It takes a second of each program that runs tests, and no notebook has such an address to check.
"""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # so that importing it is an ImportError
