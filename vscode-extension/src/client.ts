/** Builds the language client. Ghost text, documents and the server's commands are the client library's own features. */
import * as os from 'node:os';
import * as readline from 'node:readline';
import type * as vscode from 'vscode';
import {
  DidChangeConfigurationNotification,
  LanguageClient,
  RevealOutputChannelOn,
  State as ClientState,
  type LanguageClientOptions,
  type WorkDoneProgressBegin,
  type WorkDoneProgressEnd,
  type WorkDoneProgressReport,
} from 'vscode-languageclient/node';
import { Crashes } from './crashes';
import { Patience } from './patience';
import { SECTION, serverArguments } from './settings';
import type { Status } from './status';

export const SERVED_DOCUMENTS = [{ scheme: 'file' }, { scheme: 'untitled' }, { scheme: 'vscode-notebook-cell' }];

/** Logs what the library would show in boxes, perhaps in the middle of a word: the status says that the server is not running. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** Settings as the server is to see them now. */
export type Settings = () => Record<string, unknown>;

export function makeClient(command: string, log: vscode.LogOutputChannel, status: Status, settings: Settings): LanguageClient {
  const patience = new Patience(() => client.sendRequest('workspace/executeCommand', { command: 'parrotlet.status' }));
  const options: LanguageClientOptions = {
    documentSelector: SERVED_DOCUMENTS,
    initializationOptions: settings,
    outputChannel: log,
    stdioOptions: { stdout: logLines, stderr: logLines },
    // A failed request is the log's business: nobody wants a box for a suggestion that did not come.
    revealOutputChannelOn: RevealOutputChannelOn.Never,
    errorHandler: new Crashes((message) => {
      status.setServer('failed', message);
    }),
    initializationFailedHandler: () => false,
    middleware: {
      handleWorkDoneProgress: (_token, progress) => {
        showLoading(progress, status);
      },
      provideInlineCompletionItems: (document, position, context, token, next) =>
        status.during(patience.answer(async () => next(document, position, context, token), token)),
      workspace: {
        configuration: ({ items }) => items.map(({ section }) => (section === SECTION ? settings() : null)),
        didChangeConfiguration: () => sendSettings(client, settings),
      },
    },
  };
  // At home, because a program must find nothing to load in the folder that happens to be open.
  const server = { command, args: serverArguments(), options: { cwd: os.homedir() } };
  const client = new QuietClient(SECTION, 'Parrotlet', server, options);
  client.onDidChangeState(({ newState }) => {
    if (newState === ClientState.Starting) {
      status.setServer('starting');
    } else if (newState === ClientState.Running) {
      status.setServer('ready');
    }
  });
  return client;
}

export function sendSettings(client: LanguageClient, settings: Settings): Promise<void> {
  return client.sendNotification(DidChangeConfigurationNotification.type, { settings: { [SECTION]: settings() } });
}

/** The server shows one kind of progress, the loading of the model, and ends it with "ready" or the reason why not. */
function showLoading(progress: WorkDoneProgressBegin | WorkDoneProgressReport | WorkDoneProgressEnd, status: Status): void {
  if (progress.kind !== 'end') {
    status.setServer('loading', progress.percentage === undefined ? progress.message : `${progress.percentage} %`);
  } else if (progress.message === 'ready') {
    status.setServer('ready');
  } else {
    status.setServer('failed', progress.message);
  }
}

function logLines(input: NodeJS.ReadableStream, log: vscode.LogOutputChannel): void {
  readline.createInterface({ input }).on('line', (line) => {
    log.info(line);
  });
}
