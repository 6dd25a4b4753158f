/** One window with the extension in it, for the tests: a folder of its own, programs that it may find, commands to run. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { activate, deactivate } from '../src/extension';
import * as client from './fakes/languageclient';
import { Uri, world } from './fakes/vscode';

const extension = process.cwd();

export class Window {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'extension-'));
  readonly memory = new Map<string, unknown>();
  private readonly subscriptions: { dispose(): void }[] = [];

  /** A program in this window's folder. */
  program(name: string, ...lines: string[]): string {
    const file = path.join(this.folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, ['#!/bin/sh', ...lines, ''].join('\n'));
    chmodSync(file, 0o755);
    return file;
  }

  read(name: string): string {
    return readFileSync(path.join(this.folder, name), 'utf8');
  }

  /** Resolves when the first start of the server is over. */
  async start(): Promise<void> {
    const memory = {
      get: (key: string, fallback: unknown) => this.memory.get(key) ?? fallback,
      update: (key: string, value: unknown) => Promise.resolve(void this.memory.set(key, value)),
    };
    const { started } = activate({
      subscriptions: this.subscriptions,
      globalStorageUri: Uri.file(path.join(this.folder, 'storage')),
      extensionUri: Uri.file(extension),
      extension: { packageJSON: JSON.parse(readFileSync(path.join(extension, 'package.json'), 'utf8')) as unknown },
      globalState: memory,
    } as never);
    await started;
  }

  async close(): Promise<void> {
    await deactivate();
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
    rmSync(this.folder, { recursive: true });
  }
}

/** A fresh window for each test, whose settings name a server that is there. */
export function eachTestHasAWindow(): { current: Window } {
  const holder = {} as { current: Window };
  beforeEach(() => {
    world.reset();
    client.reset();
    holder.current = new Window();
    world.settings['parrotlet.server.path'] = holder.current.program('parrotlet');
  });
  afterEach(() => holder.current.close());
  return holder;
}

export async function command(name: string): Promise<void> {
  await world.commands.get(`parrotlet.${name}`)?.();
}

/** The middleware of the newest client, as far as the tests call it. */
export function middleware(): {
  handleWorkDoneProgress(token: string, progress: { kind: string; message?: string; percentage?: number }, next: () => void): void;
  provideInlineCompletionItems(document: unknown, position: unknown, context: unknown, token: unknown, next: () => unknown): Promise<unknown>;
  workspace: {
    didChangeConfiguration(): Promise<void>;
    configuration(parameters: { items: { section: string }[] }): unknown[];
  };
} {
  return client.made.at(-1)?.options['middleware'] as never;
}
