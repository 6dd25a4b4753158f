"""Training rows: packed tokens or streamed text in, rows of one length out. Knows nothing of the network's training.

`open_rows` chooses a source by the recipe, `BatchReader` makes batches of it.
"""

from trainer.dataset.choice import open_rows, row_maker
from trainer.dataset.documents import DocumentRows
from trainer.dataset.fill_in_middle import FillInMiddle
from trainer.dataset.packed import PackedRows
from trainer.dataset.reader import BatchReader
from trainer.dataset.row import IGNORED_LABEL, IndexedRows, Row, RowMaker, RowSource, SequentialRows
from trainer.dataset.streamed import StreamedRows
from trainer.dataset.texts import CorpusTexts, DatasetTexts, TextSource

__all__ = [
    "IGNORED_LABEL",
    "BatchReader",
    "CorpusTexts",
    "DatasetTexts",
    "DocumentRows",
    "FillInMiddle",
    "IndexedRows",
    "PackedRows",
    "Row",
    "RowMaker",
    "RowSource",
    "SequentialRows",
    "StreamedRows",
    "TextSource",
    "open_rows",
    "row_maker",
]
