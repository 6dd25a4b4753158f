#!/usr/bin/env node
// Stands between the editor and the server, and notes when each question for ghost text came and when its answer left.
import { spawn } from 'node:child_process';
import fs from 'node:fs';

const child = spawn(process.env.PARROTLET_BIN, process.argv.slice(2), { stdio: ['pipe', 'pipe', 'inherit'] });
const asked = new Map();

function note(entry) {
  fs.appendFileSync(process.env.PARROTLET_TAP, `${JSON.stringify(entry)}\n`);
}

/** Calls back with each whole message of a stream of LSP frames. */
function watch(stream, onMessage) {
  let bytes = Buffer.alloc(0);
  stream.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      const end = bytes.indexOf('\r\n\r\n');
      const length = end < 0 ? NaN : Number(/Content-Length: (\d+)/i.exec(bytes.subarray(0, end).toString())[1]);
      if (!(bytes.length >= end + 4 + length)) return;
      onMessage(JSON.parse(bytes.subarray(end + 4, end + 4 + length).toString()));
      bytes = bytes.subarray(end + 4 + length);
    }
  });
}

const now = () => performance.timeOrigin + performance.now();
watch(process.stdin, ({ method, id }) => {
  if (method === 'textDocument/inlineCompletion') asked.set(id, now());
});
watch(child.stdout, ({ method, id, result }) => {
  if (method !== undefined || !asked.has(id)) return;
  note({ asked: asked.get(id), answered: now(), text: result?.items?.[0]?.insertText ?? '' });
  asked.delete(id);
});
process.stdin.pipe(child.stdin);
child.stdout.pipe(process.stdout);
child.on('exit', (code) => process.exit(code ?? 1));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => child.kill(signal));
