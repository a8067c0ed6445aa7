"""Tables: the same rows, whatever the file (`docs/formats/table-identity.md`). Knows Arrow tables, never files."""

from .digester import Digester, TextScanner, digest_table, row_digests
from .identity import ColumnIdentity, Reconsider, TableIdentity, TextMode

__all__ = [
    "ColumnIdentity",
    "Digester",
    "Reconsider",
    "TableIdentity",
    "TextMode",
    "TextScanner",
    "digest_table",
    "row_digests",
]
