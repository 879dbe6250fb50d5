"""Record batches in, record batches out: one pure function for files, jobs, streams and clusters.

No store, no web, no file but the model's folder (decision 0125). Needs pyarrow (extra ``bulk``).
"""

from __future__ import annotations

from ifonly.service.bulk.errors import InvalidTable, NotInBulk, TableFault
from ifonly.service.bulk.explainer import BulkBatch, BulkExplainer, Proofs, loaded_again
from ifonly.service.bulk.options import BulkOptions
from ifonly.service.bulk.recheck import RowFault

__all__ = [
    "BulkBatch",
    "BulkExplainer",
    "BulkOptions",
    "InvalidTable",
    "NotInBulk",
    "Proofs",
    "RowFault",
    "TableFault",
    "loaded_again",
]
