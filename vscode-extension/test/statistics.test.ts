import { describe, expect, it } from 'vitest';
import * as client from './fakes/languageclient';
import { world } from './fakes/vscode';
import { command, eachTestHasAWindow } from './window';

const held = eachTestHasAWindow();

async function open(): Promise<(typeof world.panels)[number]> {
  await held.current.start();
  await command('openStatistics');
  const panel = world.panels[0];
  if (panel === undefined) {
    throw new Error('no panel was opened');
  }
  return panel;
}

describe('the statistics', () => {
  it('are the server\'s', async () => {
    client.behaviour.answers['parrotlet/statistics'] = { days: 7 };
    const panel = await open();
    await panel.ask({ days: 7 });
    expect(client.made[0]?.asked).toEqual([['parrotlet/statistics', { days: 7 }]]);
    expect(panel.webview.posted).toEqual([{ statistics: { days: 7 } }]);
  });

  it('are explained where there are none', async () => {
    client.behaviour.answers['parrotlet/statistics'] = new Error('statistics.sqlite cannot be read: move it away');
    const panel = await open();
    await panel.ask({ days: 7 });
    client.behaviour.failStart = new Error('no handshake');
    await command('restart');
    await panel.ask({ days: 7 });
    expect(panel.webview.posted).toEqual([
      { error: 'statistics.sqlite cannot be read: move it away' },
      { error: 'the server is not running: restart it, or look into its log' },
    ]);
  });

  it('have one panel, which is opened again when it was closed', async () => {
    const panel = await open();
    await command('openStatistics');
    expect([world.panels.length, panel.revealed]).toEqual([1, 1]);
    panel.dispose();
    await command('openStatistics');
    expect(world.panels).toHaveLength(2);
  });

  it('load nothing but their own script and style', async () => {
    const { html } = (await open()).webview;
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1];
    expect(policy).toMatch(/^default-src 'none'; style-src https:\/\/panel; script-src 'nonce-[\w+/=]{24}'$/);
    expect(html).not.toMatch(/unsafe|<style|onload|http:/);
    expect([...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url)).toEqual([
      expect.stringMatching(/dist\/statistics\.css$/), expect.stringMatching(/dist\/statistics\.js$/),
    ]);
  });

  it('have a nonce of their own each time', async () => {
    const first = await open();
    first.dispose();
    await command('openStatistics');
    expect(world.panels[1]?.webview.html).not.toBe(first.webview.html);
  });
});

it('opens a sample file where a suggestion is due, and asks for it once there is a server', async () => {
  const starting = held.current.start();
  await command('openSample');
  expect(client.events).toContain('started 0');
  await starting;
  expect(world.shownDocuments).toEqual([{ language: 'python', content: expect.stringMatching(/self\.balance =$/) as unknown }]);
  expect(world.selections).toEqual([{ start: world.shownDocuments[0]?.content.length, end: world.shownDocuments[0]?.content.length }]);
  expect(world.executed.at(-1)).toEqual(['parrotlet.suggest']);
});
