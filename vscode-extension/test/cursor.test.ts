import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { onDidRest } from '../src/cursor';
import { activeEditorChanged, selectionChanged, TextEditorSelectionChangeKind as Kind, type Editor } from './fakes/vscode';

let told: [unknown, unknown][];
let subscription: { dispose(): void };

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  subscription = onDidRest((document, position) => told.push([document, position]));
});

afterEach(() => {
  subscription.dispose();
  vi.useRealTimers();
});

function editorAt(line: number): Editor {
  return { document: { uri: { toString: () => 'file:///a.py', scheme: 'file' } }, selection: { active: { line, character: 0 } } };
}

describe('the resting cursor', () => {
  it.each([Kind.Mouse, Kind.Command, undefined])('is told once it has stood still (moved by %s)', async (kind) => {
    const editor = editorAt(3);
    await selectionChanged.fire({ textEditor: editorAt(1), kind });
    await selectionChanged.fire({ textEditor: editor, kind });
    expect(told).toEqual([]);
    vi.runAllTimers();
    expect(told).toEqual([[editor.document, { line: 3, character: 0 }]]);
  });

  it('is told where it stands then, not where it stood', async () => {
    const editor = editorAt(3);
    await selectionChanged.fire({ textEditor: editor, kind: Kind.Mouse });
    editor.selection.active = { line: 9, character: 2 };
    vi.runAllTimers();
    expect(told).toEqual([[editor.document, { line: 9, character: 2 }]]);
  });

  it('is told when another editor comes to the front', async () => {
    await activeEditorChanged.fire(editorAt(0));
    vi.runAllTimers();
    expect(told).toHaveLength(1);
  });

  it('is not told while somebody types, and what was about to be told is not either', async () => {
    await selectionChanged.fire({ textEditor: editorAt(1), kind: Kind.Mouse });
    await selectionChanged.fire({ textEditor: editorAt(1), kind: Kind.Keyboard });
    vi.runAllTimers();
    expect(told).toEqual([]);
  });

  it('is not told when the last editor closes or the extension is left', async () => {
    await activeEditorChanged.fire(editorAt(0));
    await activeEditorChanged.fire(undefined);
    await activeEditorChanged.fire(editorAt(0));
    subscription.dispose();
    vi.runAllTimers();
    expect(told).toEqual([]);
  });
});
