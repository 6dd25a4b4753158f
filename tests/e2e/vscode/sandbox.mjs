// A private home for everything the test starts, and the means to end all of it. Knows nothing of editors.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export class Sandbox {
  constructor() {
    // A short name: the engine's Unix socket lies below it, and its path has room for 107 bytes.
    this.root = fs.mkdtempSync(path.join(os.tmpdir(), 'pe2e-'));
    this.marker = `PARROTLET_E2E=${this.root}`;
    const folders = ['home', 'config', 'data', 'cache', 'state', 'run', 'tmp', 'workspace', 'user', 'extensions', 'browser'];
    this.folders = Object.fromEntries(folders.map((name) => [name, path.join(this.root, name)]));
    /** What a scenario adds to the environment. */
    this.variables = {};
    for (const folder of Object.values(this.folders)) fs.mkdirSync(folder, { mode: 0o700 });
  }

  /** The environment of every program that the test starts: nothing of the user's, and a mark to find them by. */
  get environment() {
    const { home, config, data, cache, state, run, tmp } = this.folders;
    return {
      PARROTLET_E2E: this.root,
      PATH: process.env.PATH.split(':').filter((folder) => !fs.existsSync(path.join(folder, 'parrotlet'))).join(':'),
      LANG: 'C.UTF-8',
      HOME: home,
      TMPDIR: tmp,
      XDG_CONFIG_HOME: config,
      XDG_DATA_HOME: data,
      XDG_CACHE_HOME: cache,
      XDG_STATE_HOME: state,
      XDG_RUNTIME_DIR: run,
      EXTENSIONS_GALLERY: '{}',
      ...this.variables,
    };
  }

  /** Process ids of the sandbox's programs, also of those that left their parents. */
  processes(argument) {
    const numbers = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    const read = (number, file) => {
      try {
        return fs.readFileSync(`/proc/${number}/${file}`, 'utf8').split('\0');
      } catch {
        return []; // It ended meanwhile.
      }
    };
    return numbers
      .filter((number) => read(number, 'environ').includes(this.marker))
      .filter((number) => argument === undefined || read(number, 'cmdline').includes(argument))
      .map(Number);
  }

  /** Ends every program of the sandbox and removes its folder. */
  async close() {
    const began = Date.now();
    // A program that is just being started shows no environment for an instant: one quiet look proves nothing.
    for (let quiet = 0; quiet < 3 && Date.now() - began < 20_000; await sleep(100)) {
      quiet = this.processes().length === 0 ? quiet + 1 : 0;
      this.signal(Date.now() - began < 5_000 ? 'SIGTERM' : 'SIGKILL');
    }
    fs.rmSync(this.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  signal(name) {
    for (const pid of this.processes()) {
      try {
        process.kill(pid, name);
      } catch (error) {
        if (error.code !== 'ESRCH') throw error;
      }
    }
  }
}
