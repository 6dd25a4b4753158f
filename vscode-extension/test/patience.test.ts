import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Patience } from '../src/patience';
import { Cancellation } from './fakes/vscode';

const ITEMS = [{ insertText: 'one' }] as never[];
const LOADING = { state: 'loading', window_is_ready: false };
const READY = { state: 'ready', window_is_ready: true };

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

it.each([[null], [[]], [{ items: [] }]])('asks again once the model is there (first answer: %o)', async (empty) => {
  const status = vi.fn().mockResolvedValueOnce(LOADING).mockResolvedValueOnce({ state: 'ready', window_is_ready: false }).mockResolvedValue(READY);
  const ask = vi.fn().mockResolvedValueOnce(empty).mockResolvedValueOnce([]).mockResolvedValueOnce([]).mockResolvedValue(ITEMS);
  const answer = new Patience(status).answer(ask, new Cancellation());
  await vi.runAllTimersAsync();
  expect(await answer).toBe(ITEMS);
});

it('believes an empty answer of a model that is there, and asks for the status no more', async () => {
  const status = vi.fn().mockResolvedValue(READY);
  const ask = vi.fn().mockResolvedValue([]);
  const patience = new Patience(status);
  for (let question = 0; question < 3; question++) {
    const answer = patience.answer(ask, new Cancellation());
    await vi.runAllTimersAsync();
    expect(await answer).toEqual([]);
  }
  expect([status.mock.calls.length, ask.mock.calls.length]).toEqual([1, 4]);
});

it('asks for no status where there is an answer', async () => {
  const status = vi.fn();
  expect(await new Patience(status).answer(() => Promise.resolve(ITEMS), new Cancellation())).toBe(ITEMS);
  expect(status).not.toHaveBeenCalled();
});

it('waits no longer than the editor does', async () => {
  const token = new Cancellation();
  const answer = new Patience(() => Promise.resolve(LOADING)).answer(() => Promise.resolve([]), token);
  await vi.advanceTimersByTimeAsync(1000);
  await token.cancel();
  await vi.runAllTimersAsync();
  expect(await answer).toEqual([]);
});

it('does not wait for a model that cannot be loaded', async () => {
  const status = vi.fn().mockResolvedValue({ state: 'failed', window_is_ready: false });
  expect(await new Patience(status).answer(() => Promise.resolve([]), new Cancellation())).toEqual([]);
});
