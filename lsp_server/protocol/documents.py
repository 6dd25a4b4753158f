"""The open documents and notebooks, held in buffers that follow the protocol, and snapshots of them. No completion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import unquote

from lsprotocol import types
from pygls.workspace import TextDocument, Workspace

from lsp_server.completion.snapshot import Snapshot
from lsp_server.protocol.text_buffer import Encoding, TextBuffer
from lsp_server.statistics.spans import Edit, difference

CLOSED_PAIRS = ("()", "[]", "{}", '""', "''", "``")
"""What editors insert for an opening bracket or quote, with the cursor in the middle."""
OnEdit = Callable[[str, Edit], None]
"""Called with a document's URI, and what changed in it."""
CursorParams = types.CompletionParams | types.InlineCompletionParams


def _tell_nobody(_uri: str, _edit: Edit) -> None:
    pass


class Document(TextDocument):
    """pygls's document over our buffer: pygls 2.1 splits lines where the protocol does not, and then corrupts text."""

    def __init__(
        self,
        uri: str,
        source: str | None,
        version: int | None,
        language_id: str | None,
        encoding: Encoding,
        on_edit: OnEdit = _tell_nobody,
    ) -> None:
        super().__init__(uri, source="", version=version, language_id=language_id)
        self.buffer = TextBuffer(source or "", encoding)
        self._on_edit = on_edit

    @property
    def source(self) -> str:
        return self.buffer.text

    @property
    def lines(self) -> tuple[str, ...]:
        return self.buffer.lines

    def apply_change(self, change: types.TextDocumentContentChangeEvent) -> None:
        if isinstance(change, types.TextDocumentContentChangePartial):
            start, end = (self.buffer.offset(_pair(place)) for place in (change.range.start, change.range.end))
            self.buffer.replace(_pair(change.range.start), _pair(change.range.end), change.text)
            edit = Edit(at=start, removed=max(0, end - start), inserted=change.text)
        else:
            edit = difference(self.source, change.text)
            self.buffer = TextBuffer(change.text, self.buffer.encoding)
        self._on_edit(self.uri, edit)


class DocumentStore(Workspace):
    """pygls's workspace, holding our documents."""

    on_edit: OnEdit = staticmethod(_tell_nobody)
    """Told of every change, behind it."""

    @classmethod
    def like(cls, workspace: Workspace, folders: Sequence[types.WorkspaceFolder], on_edit: OnEdit) -> DocumentStore:
        store = cls(workspace.root_uri, workspace._sync_kind, folders, workspace.position_encoding)
        store.on_edit = on_edit
        return store

    @property
    def encoding(self) -> Encoding:
        return Encoding(self.position_encoding or Encoding.UTF16)

    def _create_text_document(
        self, doc_uri: str, source: str | None = None, version: int | None = None, language_id: str | None = None
    ) -> Document:
        return Document(doc_uri, source, version, language_id, self.encoding, lambda uri, edit: self.on_edit(uri, edit))

    def open_document(self, uri: str) -> Document | None:
        """The document if an editor has it open; the disk is never read."""
        document = self.text_documents.get(unquote(uri))
        return document if isinstance(document, Document) else None

    def snapshot(self, params: CursorParams) -> Snapshot | None:
        """What the editor shows now; None for an unknown document or a cursor outside it."""
        snapshot = self.snapshot_at(params.text_document.uri, params.position)
        selected = getattr(params.context, "selected_completion_info", None)
        document = self.open_document(params.text_document.uri)
        if snapshot is None or document is None or selected is None:
            return snapshot
        return _with_selection(document, snapshot, params.position, selected)

    def snapshot_at(self, uri: str, position: types.Position) -> Snapshot | None:
        """The document with its cursor there; None if it is not open, or there is no such place."""
        document = self.open_document(uri)
        if document is None or not document.buffer.contains(_pair(position)):
            return None
        return self._snapshot(uri, document, document.buffer.offset(_pair(position)))

    def snapshot_after(self, uri: str, changes: Sequence[types.TextDocumentContentChangeEvent]) -> Snapshot | None:
        """The document with its cursor where this change, already applied, leaves it; None where one cannot tell."""
        document = self.open_document(uri)
        if document is None or len(changes) != 1:  # several cursors, or a tool that formats
            return None
        change = changes[0]
        if not isinstance(change, types.TextDocumentContentChangePartial):
            return None
        advance = 1 if change.text in CLOSED_PAIRS else len(change.text)
        offset = min(document.buffer.offset(_pair(change.range.start)) + advance, len(document.source))
        return self._snapshot(uri, document, offset)

    def snapshot_after_cells(self, change: types.NotebookDocumentChangeEvent) -> Snapshot | None:
        """The one cell that this change, already applied, wrote into, likewise; None for any other change."""
        texts = (change.cells and change.cells.text_content) or ()
        if len(texts) != 1:
            return None
        return self.snapshot_after(texts[0].document.uri, texts[0].changes)

    def _snapshot(self, uri: str, document: Document, offset: int) -> Snapshot:
        return Snapshot(
            uri=uri,
            language=document.language_id or "",
            text=document.source,
            offset=offset,
            cells_before=self._cells_before(uri),
        )

    def _cells_before(self, uri: str) -> tuple[str, ...]:
        notebook = self.get_notebook_document(cell_uri=uri)
        sources: list[str] = []
        for cell in notebook.cells if notebook else ():
            if unquote(cell.document) == unquote(uri):
                break
            document = self.open_document(cell.document)
            if document and cell.kind == types.NotebookCellKind.Code:
                sources.append(document.source)
        return tuple(sources)


def _with_selection(
    document: Document, snapshot: Snapshot, cursor: types.Position, selected: types.SelectedCompletionInfo
) -> Snapshot | None:
    """The snapshot as the selected menu item would leave it; None if the item does not end at the cursor."""
    if selected.range.end != cursor or not document.buffer.contains(_pair(selected.range.start)):
        return None
    start = document.buffer.offset(_pair(selected.range.start))
    return snapshot.accepting(start, selected.text) if start <= snapshot.offset else None


def _pair(position: types.Position) -> tuple[int, int]:
    return position.line, position.character
