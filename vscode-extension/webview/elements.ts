/** Makes elements of a page: text is text, never markup. */
export type Row = readonly (string | number)[];

export function element<Name extends keyof HTMLElementTagNameMap>(name: Name, text = '', ...children: Node[]): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  made.append(text, ...children);
  return made;
}

/** The first cell of a row names it; without a head, the rows speak for themselves. */
export function table(caption: string, head: Row, rows: Row[]): HTMLElement {
  const cell = (name: 'td' | 'th', value: string | number): HTMLElement => element(name, typeof value === 'number' ? value.toLocaleString() : value);
  const heading = (value: string | number, scope: string): HTMLElement => Object.assign(element('th', String(value)), { scope });
  const body = rows.map(([first = '', ...rest]) => element('tr', '', heading(first, 'row'), ...rest.map((value) => cell('td', value))));
  const header = head.length === 0 ? [] : [element('tr', '', ...head.map((value) => heading(value, 'col')))];
  return element('table', '', element('caption', caption), ...header, ...body);
}

export function percent(share: number | null): string {
  return share === null ? '–' : `${(100 * share).toFixed(1)} %`;
}
