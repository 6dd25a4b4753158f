/** Owns the one running server: finds it, starts it, and replaces it. Never throws: what fails is logged and shown. */
import * as os from 'node:os';
import * as vscode from 'vscode';
import { State, type LanguageClient } from 'vscode-languageclient/node';
import { makeClient, SERVED_DOCUMENTS, sendSettings, type Settings } from './client';
import { locateServer, ServerNotFound, type Server } from './locate';
import { selectedPython } from './python';
import { Serial } from './serial';
import { SECTION } from './settings';
import type { Status } from './status';

export class Session {
  private readonly restarts = new Serial(() => this.replace());
  private client: LanguageClient | undefined;
  private command: string | undefined;

  /** `own` is the folder that "Install Parrotlet" fills. */
  constructor(
    private readonly log: vscode.LogOutputChannel,
    private readonly status: Status,
    private readonly settings: Settings,
    private readonly own: string,
    private readonly onMissing: (message: string) => Promise<void>,
  ) {}

  restart(): Promise<void> {
    return this.restarts.run();
  }

  /** Restart only where the search for the server now ends elsewhere. */
  async restartIfMoved(): Promise<void> {
    const found = await this.locate().catch(() => undefined);
    if (found !== undefined && found.command !== this.command) {
      await this.restart();
    }
  }

  /** Ask the running server. Raises: Error with one line for the user. */
  async request<Answer>(method: string, parameters: unknown): Promise<Answer> {
    if (this.client?.state !== State.Running) {
      throw new Error('the server is not running: restart it, or look into its log');
    }
    return this.client.sendRequest<Answer>(method, parameters);
  }

  async sendSettings(): Promise<void> {
    if (this.client?.state === State.Running) {
      await sendSettings(this.client, this.settings);
    }
  }

  /** The cursor rests here. A server that is not there, or a document that it does not serve, has no use for it. */
  tellCursor(document: vscode.TextDocument, position: vscode.Position): void {
    const client = this.client;
    if (client?.state === State.Running && vscode.languages.match(SERVED_DOCUMENTS, document) > 0) {
      const { line, character } = position;
      void client
        .sendNotification('parrotlet/cursor', { textDocument: { uri: document.uri.toString() }, position: { line, character } })
        .catch((error: unknown) => {
          this.log.debug(String(error));
        });
    }
  }

  /** No start is under way: the server answers, or has failed to start. */
  settled(): Promise<void> {
    return this.restarts.idle();
  }

  async close(): Promise<void> {
    await this.settled();
    await this.stop();
  }

  /** Raises: ServerNotFound. */
  async locate(): Promise<Server> {
    const python = await selectedPython().catch((error: unknown) => {
      this.log.warn(`the Python extension did not tell the selected interpreter: ${String(error)}`);
      return undefined;
    });
    const configured = vscode.workspace.getConfiguration(SECTION).get('server.path', '').trim();
    const { env: environment, platform } = process;
    return locateServer({ configured, python, environment, home: os.homedir(), own: this.own, platform });
  }

  private async replace(): Promise<void> {
    await this.stop();
    this.status.setServer('starting');
    try {
      const { command, foundBy } = await this.locate();
      this.log.info(`starting ${command}, found by ${foundBy}`);
      this.command = command;
      this.client = makeClient(command, this.log, this.status, this.settings);
      await this.client.start();
    } catch (error) {
      this.report(error);
    }
  }

  private async stop(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    this.command = undefined;
    try {
      await client?.dispose();
    } catch (error) {
      // It was already gone, or did not answer: the client ends its process by itself.
      this.log.debug(String(error));
    }
  }

  private report(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.log.error(message);
    this.status.setServer(error instanceof ServerNotFound ? 'missing' : 'failed', message);
    if (error instanceof ServerNotFound) {
      void this.onMissing(message);
    }
  }
}
