import { expect, it } from 'vitest';
import { Serial } from '../src/serial';

function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

it('never runs two tasks at once, and shares one waiting run between all who ask', async () => {
  const first = gate();
  let active = 0;
  let most = 0;
  let runs = 0;
  const serial = new Serial(async () => {
    runs += 1;
    active += 1;
    most = Math.max(most, active);
    await first.opened;
    active -= 1;
  });
  const begun = serial.run();
  await Promise.resolve();
  const others = [serial.run(), serial.run(), serial.run()];
  first.open();
  await Promise.all([begun, ...others]);
  expect({ runs, most }).toEqual({ runs: 2, most: 1 });
});

it('runs again after a failure, which only its own caller sees', async () => {
  let runs = 0;
  const serial = new Serial(() => {
    runs += 1;
    return runs === 1 ? Promise.reject(new Error('first')) : Promise.resolve();
  });
  await expect(serial.run()).rejects.toThrow('first');
  await serial.run();
  expect(runs).toBe(2);
});

it('is idle only after the waiting run too', async () => {
  let runs = 0;
  const serial = new Serial(async () => {
    await Promise.resolve();
    runs += 1;
  });
  void serial.run();
  await Promise.resolve();
  void serial.run();
  await serial.idle();
  expect(runs).toBe(2);
});
