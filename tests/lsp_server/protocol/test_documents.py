"""Our documents inside pygls's workspace, driven as pygls drives them."""

from __future__ import annotations

from lsprotocol import types

from lsp_server.protocol.documents import DocumentStore

URI = "file:///project/doc.py"
NOTEBOOK = "file:///project/n.ipynb"


def opened(text: str, encoding: str = "utf-16") -> DocumentStore:
    store = DocumentStore(None, position_encoding=encoding)
    store.put_text_document(types.TextDocumentItem(uri=URI, language_id="python", version=1, text=text))
    return store


def change(store: DocumentStore, start: tuple[int, int], end: tuple[int, int], text: str) -> None:
    edit = types.TextDocumentContentChangePartial(
        range=types.Range(start=types.Position(*start), end=types.Position(*end)), text=text
    )
    store.update_text_document(types.VersionedTextDocumentIdentifier(uri=URI, version=2), edit)


def cursor(line: int, character: int, uri: str = URI) -> types.CompletionParams:
    return types.CompletionParams(
        text_document=types.TextDocumentIdentifier(uri=uri), position=types.Position(line=line, character=character)
    )


def test_edits_after_a_form_feed_land_on_the_line_that_was_meant() -> None:
    store = opened("a\fb\u2028c\nsecond\n")
    change(store, (1, 0), (1, 6), "2nd")
    assert store.get_text_document(URI).source == "a\fb\u2028c\n2nd\n"


def test_a_change_without_range_replaces_the_document() -> None:
    store = opened("old")
    whole = types.TextDocumentContentChangeWholeDocument(text="new\n")
    store.update_text_document(types.VersionedTextDocumentIdentifier(uri=URI, version=2), whole)
    assert store.get_text_document(URI).lines == ("new\n", "")


def test_an_edit_behind_the_end_appends() -> None:
    store = opened("a")
    change(store, (9, 9), (9, 9), "b")
    assert store.get_text_document(URI).source == "ab"


def test_a_snapshot_does_not_follow_later_edits() -> None:
    store = opened("x = 1")
    snapshot = store.snapshot(cursor(0, 4))
    change(store, (0, 0), (0, 1), "long_name")
    assert snapshot is not None
    assert (snapshot.before, snapshot.after, snapshot.language) == ("x = ", "1", "python")


def test_there_is_no_snapshot_of_a_document_that_is_closed_or_only_on_disk(tmp_path: object) -> None:
    store = opened("x")
    assert store.snapshot(cursor(0, 0, __file__)) is None
    store.remove_text_document(URI)
    assert store.snapshot(cursor(0, 0)) is None


def test_a_uri_is_found_however_it_is_escaped() -> None:
    store = opened("x")
    assert store.snapshot(cursor(0, 0, "file:///project/d%6Fc.py")) is not None


def test_a_selection_that_does_not_end_at_the_cursor_gives_no_snapshot() -> None:
    store = opened("res")

    def ask(start: tuple[int, int], end: tuple[int, int]) -> str | None:
        selected = types.SelectedCompletionInfo(
            range=types.Range(start=types.Position(*start), end=types.Position(*end)), text="result"
        )
        context = types.InlineCompletionContext(
            trigger_kind=types.InlineCompletionTriggerKind.Automatic, selected_completion_info=selected
        )
        here = types.Position(line=0, character=3)
        document = types.TextDocumentIdentifier(uri=URI)
        snapshot = store.snapshot(types.InlineCompletionParams(context=context, text_document=document, position=here))
        return snapshot.before if snapshot else None

    assert ask((0, 0), (0, 3)) == "result"
    assert ask((0, 0), (0, 2)) is None
    assert ask((4, 0), (0, 3)) is None


def test_cells_are_context_in_the_notebooks_order_as_it_changes() -> None:
    store = DocumentStore(None)
    names = ["a", "b", "c"]
    cells = [types.NotebookCell(kind=types.NotebookCellKind.Code, document=name) for name in names]
    texts = [types.TextDocumentItem(uri=name, language_id="python", version=1, text=f"{name} = 1") for name in names]
    notebook = types.NotebookDocument(uri=NOTEBOOK, notebook_type="jupyter-notebook", version=1, cells=cells)
    store.put_notebook_document(
        types.DidOpenNotebookDocumentParams(notebook_document=notebook, cell_text_documents=texts)
    )
    snapshot = store.snapshot(cursor(0, 0, "c"))
    assert snapshot is not None
    assert snapshot.cells_before == ("a = 1", "b = 1")

    new = types.TextDocumentItem(uri="new", language_id="python", version=1, text="new = 1")
    structure = types.NotebookDocumentCellChangeStructure(
        array=types.NotebookCellArrayChange(
            start=0,
            delete_count=1,
            cells=[types.NotebookCell(kind=types.NotebookCellKind.Code, document="new")],
        ),
        did_open=[new],
        did_close=[types.TextDocumentIdentifier(uri="a")],
    )
    store.update_notebook_document(
        types.DidChangeNotebookDocumentParams(
            notebook_document=types.VersionedNotebookDocumentIdentifier(version=2, uri=NOTEBOOK),
            change=types.NotebookDocumentChangeEvent(cells=types.NotebookDocumentCellChanges(structure=structure)),
        )
    )
    snapshot = store.snapshot(cursor(0, 0, "c"))
    assert snapshot is not None
    assert snapshot.cells_before == ("new = 1", "b = 1")
