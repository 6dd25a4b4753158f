// One scenario: a sandbox with a workbench in it, what a person does there, and the end of all of it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { Sandbox } from './sandbox.mjs';
import { QUIET, until, Workbench } from './workbench.mjs';

export const parrotlet = process.env.PARROTLET_BIN;
// The engine loads torch and the model on a machine that may be busy with other things.
export const ENGINE_MS = 120_000;
export const SCREEN_MS = 15_000;

/**
 * Opens `file` in a workbench with the extension, plays, and closes everything; the process fails if the play does.
 *
 * `files` are written into the workspace before. No notification may have been shown but those that `notices` allows, and no
 * error of ours in the console.
 */
export async function scenario(name, { file, files, user = QUIET, machine = {}, viewport, trust = false, prepare, host, notices = /^$/ }, play) {
  const began = Date.now();
  const say = (message) => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${name}: ${message}`);
  const output = path.join(process.env.PARROTLET_E2E_CACHE, 'output', name);
  fs.rmSync(output, { recursive: true, force: true });
  fs.mkdirSync(output, { recursive: true });
  const sandbox = new Sandbox();
  const workbench = new Workbench(sandbox, output);
  const scene = { sandbox, workbench, output, say, server: logged(sandbox, output), file: path.join(sandbox.folders.workspace, file) };
  try {
    for (const [relative, text] of Object.entries(files)) {
      const target = path.join(sandbox.folders.workspace, relative);
      fs.mkdirSync(path.dirname(target), { recursive: true });
      fs.writeFileSync(target, text);
    }
    // Whatever the model says is shown, as the command line shows it: how sure it is, is not what these scenarios are about.
    const shown = { 'parrotlet.confidence': 'all', 'parrotlet.deadlineMs': 60_000 };
    const settings = { 'parrotlet.server.path': scene.server, ...shown, ...machine, ...prepare?.(scene) };
    workbench.install(process.env.PARROTLET_VSIX, { user, machine: settings });
    await workbench.open(scene.file, { viewport, trust, hosted: host?.(sandbox) });
    await until('the status bar shows Parrotlet', ENGINE_MS, async () => (await workbench.status('Parrotlet')) !== '');
    say('the workbench is open');
    await play(scene);
    const seen = await workbench.notifications();
    assert.deepEqual(seen.filter((text) => !notices.test(text)), [], 'no other notification was shown');
    // The editor writes its error boxes into the console, too.
    assert.deepEqual(workbench.errors.filter((text) => !notices.test(text)), [], 'the console has no error of ours');
    say('passed');
  } catch (error) {
    console.error(error);
    await workbench.screenshot(path.join(output, 'failed.png')).catch(() => undefined);
    process.exitCode = 1;
  } finally {
    await workbench.close().catch(() => undefined);
    if (process.exitCode) say(`failed; screenshot and logs are in ${keep(output)}`);
    await sandbox.close();
  }
}

/** The real server, with what it logs in a file, too: this editor keeps no logs. */
function logged(sandbox, output) {
  const program = path.join(sandbox.folders.home, 'parrotlet');
  fs.writeFileSync(program, `#!/bin/bash\nexec '${parrotlet}' "$@" 2> >(tee -a '${output}/server.log' >&2)\n`, { mode: 0o755 });
  return program;
}

/** Puts what a failed run has left where the next run does not write over it, and returns that folder. */
function keep(output) {
  const kept = `${output}-failed`;
  fs.rmSync(kept, { recursive: true, force: true });
  fs.cpSync(output, kept, { recursive: true });
  return kept;
}
