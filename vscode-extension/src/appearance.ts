/** What the status says in each situation. Pure. */

/** Of the server and its model. */
export type ServerState = 'starting' | 'loading' | 'ready' | 'failed' | 'missing';

export interface Situation {
  readonly server: ServerState;
  /** Why it failed, or how far loading has come, as one line. */
  readonly detail?: string | undefined;
  readonly isEnabled: boolean;
  /** Milliseconds. */
  readonly pausedUntil?: number | undefined;
  readonly isThinking: boolean;
  /** The language of the editor in front, where it gets no suggestions. */
  readonly offLanguage?: string | undefined;
}

export interface Appearance {
  readonly icon: string;
  readonly meaning: string;
}

export const BUSY = '$(loading~spin)';
export const ERROR = '$(warning)';
const OFF = '$(circle-slash)';

export function appearance({ server, detail, isEnabled, pausedUntil, isThinking, offLanguage }: Situation): Appearance {
  if (server === 'failed' || server === 'missing') {
    return { icon: ERROR, meaning: detail ?? 'not running' };
  }
  if (!isEnabled) {
    return { icon: OFF, meaning: 'suggestions are off' };
  }
  if (pausedUntil !== undefined) {
    const clock = new Date(pausedUntil).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
    return { icon: '$(debug-pause)', meaning: `paused until ${clock}` };
  }
  if (offLanguage !== undefined) {
    return { icon: OFF, meaning: `suggestions are off for ${offLanguage}` };
  }
  if (server !== 'ready') {
    const what = server === 'starting' ? 'starting the server' : 'loading the model';
    return { icon: BUSY, meaning: detail === undefined ? what : `${what}, ${detail}` };
  }
  return isThinking ? { icon: BUSY, meaning: 'thinking' } : { icon: '$(sparkle)', meaning: 'ready' };
}
