/** Builds the language client. Ghost text, documents and the server's commands are the client library's own features. */
import * as readline from 'node:readline';
import type * as vscode from 'vscode';
import {
  DidChangeConfigurationNotification,
  LanguageClient,
  RevealOutputChannelOn,
  State as ClientState,
  type LanguageClientOptions,
} from 'vscode-languageclient/node';
import { Crashes } from './crashes';
import { SECTION, serverArguments, serverSettings } from './settings';
import type { Status } from './status';

export const SERVED_DOCUMENTS = [{ scheme: 'file' }, { scheme: 'untitled' }, { scheme: 'vscode-notebook-cell' }];

export function makeClient(command: string, log: vscode.LogOutputChannel, status: Status): LanguageClient {
  const options: LanguageClientOptions = {
    documentSelector: SERVED_DOCUMENTS,
    initializationOptions: serverSettings,
    outputChannel: log,
    stdioOptions: { stdout: logLines, stderr: logLines },
    // A failed request is the log's business: nobody wants a box for a suggestion that did not come.
    revealOutputChannelOn: RevealOutputChannelOn.Never,
    errorHandler: new Crashes((message) => {
      status.set('failed', message);
    }),
    initializationFailedHandler: () => false,
    middleware: {
      handleWorkDoneProgress: (_token, progress) => {
        // The server shows one kind of progress, the loading of the model, and ends it with "ready" or the reason why not.
        if (progress.kind !== 'end') {
          status.set('loading');
        } else if (progress.message === 'ready') {
          status.set('ready');
        } else {
          status.set('failed', progress.message);
        }
      },
      workspace: {
        configuration: (parameters) => parameters.items.map((item) => (item.section === SECTION ? serverSettings() : null)),
        didChangeConfiguration: () =>
          client.sendNotification(DidChangeConfigurationNotification.type, { settings: { [SECTION]: serverSettings() } }),
      },
    },
  };
  const client = new LanguageClient(SECTION, 'Parrotlet', { command, args: serverArguments() }, options);
  client.onDidChangeState(({ newState }) => {
    if (newState === ClientState.Starting) {
      status.set('starting');
    } else if (newState === ClientState.Running) {
      status.set('ready');
    }
  });
  return client;
}

function logLines(input: NodeJS.ReadableStream, log: vscode.LogOutputChannel): void {
  readline.createInterface({ input }).on('line', (line) => {
    log.info(line);
  });
}
