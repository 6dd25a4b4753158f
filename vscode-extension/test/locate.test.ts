import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { locateServer, ServerNotFound, type Places } from '../src/locate';

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'locate-'));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function program(...names: string[]): string {
  const file = path.join(root, ...names);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, '#!/bin/sh\n');
  chmodSync(file, 0o755);
  return file;
}

function places({ searchPath, ...changes }: Partial<Places> & { searchPath?: string } = {}): Places {
  const PATH = searchPath ?? [path.join(root, 'path-bin'), path.join(root, 'other-bin')].join(path.delimiter);
  return { configured: '', python: undefined, environment: { PATH }, home: path.join(root, 'home'), own: path.join(root, 'own'), platform: 'linux', ...changes };
}

it('takes the setting before every other place', () => {
  const configured = program('mine', 'parrotlet');
  program('venv', 'bin', 'parrotlet');
  program('path-bin', 'parrotlet');
  const server = locateServer(places({ configured, python: path.join(root, 'venv', 'bin', 'python') }));
  expect(server).toEqual({ command: configured, foundBy: 'parrotlet.server.path' });
});

it('takes the command beside the selected Python before PATH', () => {
  const command = program('venv', 'bin', 'parrotlet');
  program('path-bin', 'parrotlet');
  expect(locateServer(places({ python: path.join(root, 'venv', 'bin', 'python') })).command).toBe(command);
});

it('goes on to PATH when the selected Python has no server', () => {
  const command = program('other-bin', 'parrotlet');
  expect(locateServer(places({ python: path.join(root, 'venv', 'bin', 'python') })).command).toBe(command);
});

it('takes what uv tool or pipx have installed before the selected Python', () => {
  const command = program('home', '.local', 'bin', 'parrotlet');
  program('venv', 'bin', 'parrotlet');
  const server = locateServer(places({ python: path.join(root, 'venv', 'bin', 'python') }));
  expect(server).toEqual({ command, foundBy: 'uv tool or pipx' });
});

it.each(['UV_TOOL_BIN_DIR', 'PIPX_BIN_DIR', 'XDG_BIN_HOME'])('looks where %s says that tools are', (name) => {
  const command = program('tools', 'parrotlet');
  program('home', '.local', 'bin', 'parrotlet');
  expect(locateServer(places({ environment: { [name]: path.join(root, 'tools') } })).command).toBe(command);
});

it('takes the environment of its own last', () => {
  const command = program('own', 'bin', 'parrotlet');
  expect(locateServer(places())).toEqual({ command, foundBy: 'Install Parrotlet' });
  program('path-bin', 'parrotlet');
  expect(locateServer(places()).foundBy).toBe('PATH');
});

it('takes an interpreter in the setting for the command beside it', () => {
  const configured = program('venv', 'bin', 'python3.12');
  expect(() => locateServer(places({ configured }))).toThrow(/interpreter without Parrotlet: run ".*python3\.12" -m pip install parrotlet/);
  const command = program('venv', 'bin', 'parrotlet');
  expect(locateServer(places({ configured })).command).toBe(command);
});

it('expands ~ in the setting', () => {
  const command = program('home', 'bin', 'parrotlet');
  expect(locateServer(places({ configured: '~/bin/parrotlet' })).command).toBe(command);
});

it('finds the Scripts folder of a Windows Python', () => {
  const command = program('Python312', 'Scripts', 'parrotlet.exe');
  expect(locateServer(places({ platform: 'win32', python: path.join(root, 'Python312', 'python.exe') })).command).toBe(command);
});

it('never takes a program from a relative entry of PATH', () => {
  program('parrotlet');
  const searchPath = path.relative(process.cwd(), root);
  expect(() => locateServer(places({ searchPath }))).toThrow(ServerNotFound);
});

it('passes over folders and files that cannot be executed', () => {
  mkdirSync(path.join(root, 'path-bin', 'parrotlet'), { recursive: true });
  chmodSync(program('other-bin', 'parrotlet'), 0o644);
  expect(() => locateServer(places())).toThrow(ServerNotFound);
});

it('names the setting, its value and the remedy when the setting is wrong', () => {
  program('path-bin', 'parrotlet');
  expect(() => locateServer(places({ configured: '/no/such/parrotlet' }))).toThrow(
    /parrotlet\.server\.path is "\/no\/such\/parrotlet".*correct it, or clear it/,
  );
});

it('refuses a relative path, which the opened folder could answer', () => {
  expect(() => locateServer(places({ configured: 'parrotlet' }))).toThrow(/absolute path/);
});

it('says where it looked and what to do when there is no server', () => {
  expect(() => locateServer(places())).toThrow(/not on PATH.*Install it, or choose a Python interpreter/);
});
