/** Draws the server's figures. Knows nothing of VS Code but the colours and fonts that it gives to pages. */
import {
  BarController, BarElement, CategoryScale, Chart, Legend, LinearScale, LineController, LineElement, PointElement, Tooltip, type ChartDataset,
} from 'chart.js';
import { element, percent, table, type Row } from './elements';

Chart.register(BarController, BarElement, CategoryScale, Legend, LinearScale, LineController, LineElement, PointElement, Tooltip);

/** As `parrotlet stats --json` has it; shares from 0 to 1, null where there was nothing to take a share of. */
interface Summary {
  readonly offered: number;
  readonly whole: number;
  readonly part: number;
  readonly typed: number;
  readonly acceptance: number | null;
  readonly saved_characters: number;
  readonly kept_30_s: number | null;
  readonly kept_5_min: number | null;
  readonly from_cache: number | null;
  readonly latency_p50_ms: number;
  readonly latency_p90_ms: number;
}

interface Figures {
  readonly days: number;
  readonly all: Summary;
  readonly by_day: Readonly<Record<string, Summary>>;
  readonly by_language: Readonly<Record<string, Summary>>;
}

type Answer = { readonly statistics: Figures } | { readonly error: string };

const DAYS = [7, 30, 90, 365];
const vscode = acquireVsCodeApi<{ days: number }>();
let days = vscode.getState()?.days ?? 30;
let latest: Answer | undefined;
let charts: Chart[] = [];

function ask(): void {
  vscode.setState({ days });
  vscode.postMessage({ days });
}

function draw(): void {
  for (const chart of charts) {
    chart.destroy();
  }
  charts = [];
  const parts = latest === undefined ? [] : 'error' in latest ? [element('p', latest.error)] : figures(latest.statistics);
  document.querySelector('main')?.replaceChildren(element('h1', 'What became of suggestions'), chooser(), ...parts);
}

function chooser(): HTMLElement {
  const select = element('select', '', ...DAYS.map((number) => new Option(`the last ${number} days`, String(number), false, number === days)));
  select.setAttribute('aria-label', 'How far to look back');
  select.onchange = () => {
    days = Number(select.value);
    ask();
  };
  return element('p', 'Counted on this machine, in all editors, and sent nowhere. ', select);
}

function figures({ all, by_day, by_language }: Figures): HTMLElement[] {
  if (all.offered === 0) {
    return [element('p', 'No suggestions were offered in this time.')];
  }
  const byDay = Object.entries(by_day);
  const labels = byDay.map(([day]) => day.slice('2026-'.length));
  const values = (of: (day: Summary) => number | null): (number | null)[] => byDay.map(([, day]) => of(day));
  const latency = [line('half of them', values((day) => day.latency_p50_ms), 'blue'), line('nine of ten', values((day) => day.latency_p90_ms), 'yellow')];
  const shares = ['offered', 'accepted', 'characters saved', 'answered within, ms'];
  const cells = (each: Summary): Row => [each.offered, percent(each.acceptance), each.saved_characters, Math.round(each.latency_p50_ms)];
  return [
    table('In all', [], overall(all)),
    plot('Accepted, of what was offered, %', labels, [line('accepted', values((day) => 100 * (day.acceptance ?? 0)), 'blue')]),
    plot('Characters saved', labels, [{ type: 'bar', label: 'characters saved', data: values((day) => day.saved_characters), backgroundColor: colour('charts-green') }]),
    plot('Until the answer was there, ms', labels, latency),
    table('By language', ['language', ...shares], Object.entries(by_language).map(([name, each]) => [name, ...cells(each)])),
    // The same figures as the plots, for those who do not see them.
    element('details', '', element('summary', 'Day by day'), table('By day', ['day', ...shares], byDay.map(([day, each]) => [day, ...cells(each)]))),
  ];
}

function overall(all: Summary): Row[] {
  return [
    ['Offered', all.offered], ['Accepted whole', all.whole], ['Accepted in part', all.part], ['Typed by hand', all.typed],
    ['Accepted, of all', percent(all.acceptance)], ['Characters saved', all.saved_characters],
    ['Still there after 30 seconds', percent(all.kept_30_s)], ['Still there after 5 minutes', percent(all.kept_5_min)],
    ['Answered without the model', percent(all.from_cache)], ['Half of the answers within', `${Math.round(all.latency_p50_ms)} ms`],
  ];
}

function plot(title: string, labels: string[], datasets: ChartDataset<'line' | 'bar', (number | null)[]>[]): HTMLElement {
  const canvas = element('canvas', `${title}: the table “Day by day” has the figures.`);
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', title);
  const axis = { ticks: { color: colour('foreground') }, grid: { color: colour('panel-border') } };
  const legend = { display: datasets.length > 1, labels: { color: colour('foreground') } };
  const options = { animation: false, maintainAspectRatio: false, scales: { x: axis, y: { ...axis, beginAtZero: true } }, plugins: { legend } } as const;
  const frame = element('div', '', canvas);
  frame.className = 'plot';
  charts.push(new Chart<'line' | 'bar', (number | null)[]>(canvas, { type: 'line', data: { labels, datasets }, options }));
  return element('figure', '', element('figcaption', title), frame);
}

function line(label: string, data: (number | null)[], name: string): ChartDataset<'line', (number | null)[]> {
  return { type: 'line', label, data, borderColor: colour(`charts-${name}`), backgroundColor: colour(`charts-${name}`) };
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--vscode-${name}`);
}

window.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
  latest = data;
  draw();
});
// VS Code changes the class of the body with the theme.
new MutationObserver(draw).observe(document.body, { attributeFilter: ['class'] });
ask();
