// The panel with the figures: what the server counted, drawn, in a light and in a dark theme.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { parrotlet, scenario, SCREEN_MS } from './scenario.mjs';
import { until } from './workbench.mjs';

const DAYS = 21;
const PYTHON = `
import os, random, time
from pathlib import Path
from lsp_server.statistics.offer import Offer, Outcome
from lsp_server.statistics.store import StatisticsStore

draw = random.Random(7)
store = StatisticsStore(Path(os.environ["XDG_DATA_HOME"]) / "parrotlet" / "statistics.sqlite")
for day in range(${DAYS}):
    for number in range(60):
        accepted = draw.random() < 0.25 + day / 100
        characters = draw.randint(4, 40)
        store.put(Offer(
            key=draw.getrandbits(62), offered_at=time.time() - 86400 * (${DAYS} - 1 - day) - number, client="Visual Studio Code",
            language=draw.choice(["python", "python", "python", "typescript", "lua"]), automatic=True, from_cache=draw.random() < 0.4,
            latency_ms=draw.lognormvariate(3.6, 0.5), characters=characters, lines=1,
            outcome=Outcome.WHOLE if accepted else Outcome.IGNORED, accepted_characters=characters if accepted else 0,
            num_accepts=int(accepted), kept_30_s=characters if accepted else None,
        ))
store.close()
`;

/** Fills the user's figures, with the very Python that runs the server. */
function fill({ sandbox }) {
  execFileSync(path.join(path.dirname(parrotlet), 'python'), ['-c', PYTHON], { env: sandbox.environment });
  return {};
}

/** The page inside the panel: two frames deep. */
async function page(workbench) {
  let found;
  await until('the panel is drawn', SCREEN_MS, async () => {
    for (const frame of workbench.page.frames()) {
      if (await frame.locator('h1', { hasText: 'What became of suggestions' }).count().catch(() => 0)) found = frame;
    }
    return found !== undefined;
  });
  return found;
}

await scenario('statistics', { file: 'a.py', files: { 'a.py': 'x = 1\n' }, viewport: { width: 900, height: 1250 }, prepare: fill }, async ({ workbench, sandbox, output, say }) => {
  await workbench.command('Parrotlet: Open Statistics');
  const panel = await page(workbench);
  await panel.locator('table').first().waitFor();
  const shown = await panel.locator('tr', { hasText: 'Offered' }).first().innerText();
  const counted = JSON.parse(execFileSync(parrotlet, ['stats', '--json'], { env: sandbox.environment, encoding: 'utf8' }));
  assert.equal(Number(shown.replace(/\D/g, '')), counted.all.offered, 'the panel shows what the command line says');
  assert.equal(await panel.locator('canvas[role=img][aria-label]').count(), 3);
  for (const canvas of await panel.locator('canvas').all()) {
    const colours = await canvas.evaluate((element) => new Set(element.getContext('2d').getImageData(0, 0, element.width, element.height).data).size);
    assert.ok(colours > 3, 'something is drawn');
  }
  assert.equal(await panel.locator('details table tr').count(), DAYS + 1, 'the plots\' figures are there as a table');
  assert.ok(await panel.locator('table').nth(1).innerText().then((text) => text.includes('typescript')));
  say(`${counted.all.offered} offers are drawn`);
  await workbench.screenshot(path.join(output, 'dark.png'));

  await panel.locator('select').selectOption('7');
  await until('the figures are those of a week', SCREEN_MS, async () => (await panel.locator('details table tr').count()) <= 9);
  await panel.locator('select').selectOption('30');

  const dark = await panel.evaluate(() => getComputedStyle(document.body).color);
  fs.writeFileSync(path.join(output, 'requests'), '');
  await workbench.command('Preferences: Color Theme');
  await workbench.page.keyboard.insertText('Light Modern');
  await workbench.pick('Light Modern');
  await until('the panel takes the theme', SCREEN_MS, async () => (await panel.evaluate(() => getComputedStyle(document.body).color)) !== dark);
  await workbench.screenshot(path.join(output, 'light.png'));
  say('another theme is taken');
});
