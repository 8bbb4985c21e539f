/**
 * What the page is made of. Texts are set as text and as nothing else: names come from VMs that may mean harm. What is there
 * already stays and gets a new text where that has changed, so that nothing jumps, and a selection or the focus survives.
 */

/** An element with a class and a text. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  className = '',
  text = '',
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  if (text !== '') made.textContent = text;
  return made;
}

/** The element of the page's own file that has this id. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`page.html has no #${id}`);
  return found;
}

/** Changes a text where it is another one. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** The same of an attribute. */
export function setAttribute(target: Element, name: string, value: string): void {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

/** The child of a cell with that class, made the first time. */
export function part<Tag extends keyof HTMLElementTagNameMap>(
  parent: Element,
  tag: Tag,
  className: string,
): HTMLElementTagNameMap[Tag] {
  for (const child of parent.children) {
    if (child.classList.contains(className)) return child as HTMLElementTagNameMap[Tag];
  }
  return parent.appendChild(element(tag, className));
}

/** A text, or what brings a cell up to date. */
export type Cell = string | ((cell: HTMLTableCellElement) => void);

export interface Row {
  /** What stays the same as long as the row is about the same. */
  readonly key: string;
  readonly cells: readonly Cell[];
}

export interface Column {
  readonly title: string;
  /** Of the table's width, in percent; the same always, whatever is in it. */
  readonly width: number;
  readonly numeric?: boolean;
}

/** A table whose rows come and go by key. */
export class Table {
  readonly #body: HTMLTableSectionElement;
  readonly #rows = new Map<string, HTMLTableRowElement>();
  readonly #empty: HTMLTableRowElement;

  /** Appends itself to `parent`. `none`: what stands in it while there are no rows. */
  constructor(
    parent: Element,
    private readonly columns: readonly Column[],
    none: string,
  ) {
    const table = parent.appendChild(element('table'));
    const group = table.appendChild(element('colgroup'));
    for (const { width } of columns) group.appendChild(element('col')).style.width = `${width}%`;
    const head = table.createTHead().insertRow();
    for (const { title, numeric } of columns) {
      const cell = head.appendChild(element('th', numeric === true ? 'numeric' : '', title));
      cell.scope = 'col';
    }
    this.#body = table.createTBody();
    this.#empty = element('tr', 'empty');
    const cell = this.#empty.appendChild(element('td', '', none));
    cell.colSpan = columns.length;
    this.#body.append(this.#empty);
  }

  update(rows: readonly Row[]): void {
    const keys = new Set(rows.map(({ key }) => key));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    this.#empty.hidden = rows.length > 0;
    let before: Element = this.#empty;
    for (const { key, cells } of rows) {
      let row = this.#rows.get(key);
      if (row === undefined) this.#rows.set(key, (row = this.#row()));
      if (before.nextElementSibling !== row) before.after(row);
      before = row;
      for (const [i, cell] of cells.entries()) {
        const target = row.cells[i]!;
        if (typeof cell === 'string') setText(target, cell);
        else cell(target);
      }
    }
  }

  #row(): HTMLTableRowElement {
    const row = element('tr');
    for (const { numeric } of this.columns) row.append(element('td', numeric === true ? 'numeric' : ''));
    return row;
  }
}
