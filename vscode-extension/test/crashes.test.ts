import { expect, it } from 'vitest';
import { CloseAction } from 'vscode-languageclient/node';
import { Crashes } from '../src/crashes';

const MINUTE_MS = 60_000;

it('starts a server again four times in three minutes, then gives up with a message', () => {
  const messages: string[] = [];
  const crashes = new Crashes((message) => messages.push(message), () => 0);
  const actions = [1, 2, 3, 4, 5].map(() => crashes.closed().action);
  expect(actions).toEqual([...Array<CloseAction>(4).fill(CloseAction.Restart), CloseAction.DoNotRestart]);
  expect(messages).toEqual([expect.stringMatching(/stopped 5 times.*restart it/)]);
});

it('forgets crashes that are more than three minutes old', () => {
  let now = 0;
  const crashes = new Crashes(() => undefined, () => now);
  for (; now < 60 * MINUTE_MS; now += MINUTE_MS) {
    expect(crashes.closed().action).toBe(CloseAction.Restart);
  }
});

it('keeps the client from opening a message box', () => {
  const crashes = new Crashes(() => undefined);
  expect([crashes.error().handled, crashes.closed().handled]).toEqual([true, true]);
});
