/**
 * Numbers over time. In: a reading's values, each under the name of its line. Out: a plot of the last minutes, and below it
 * each line's name with its value of now, or of where the pointer is.
 */
import uPlot from 'uplot';
import { EVERY_MS } from '../pace.js';
import { byId, element, setAttribute, setText } from './dom.js';
import { clock } from './words.js';

/** Readings that are kept: five minutes. */
const MOST_READINGS = (5 * 60 * 1000) / EVERY_MS;
/** Lines that can be told apart by their colour; further ones are left out, and that is said. */
const MOST_LINES = 8;
/** From one reading to the next, in seconds, after which the line has a gap: nobody looked. */
const GAP_SECONDS = 5;
/** In pixels, as in the style. */
const HEIGHT = 150;
/** uPlot's number for that; its enum has no value at run time. */
const LOGARITHMIC = { distr: 3 } as unknown as Pick<uPlot.Scale, 'distr'>;
/** Where such an axis has its numbers: up to some minutes, in milliseconds. */
const POWERS = [1, 10, 100, 1_000, 10_000, 100_000];
/** What a logarithmic axis begins with. */
const LOWEST = 1;

export interface Value {
  readonly name: string;
  readonly value: number | undefined;
  /** Drawn with dashes, in the same colour. */
  readonly upper?: number;
}

export interface PlotOptions {
  /** Of its section. */
  readonly id: string;
  readonly words: (value: number) => string;
  /** What the axis reaches to at least. */
  readonly least: number;
  readonly logarithmic?: boolean;
}

interface Line {
  readonly name: string;
  readonly values: (number | null)[];
  readonly uppers: (number | null)[] | undefined;
}

export class Plot {
  readonly #holder: HTMLElement;
  readonly #legend: HTMLElement;
  readonly #more: HTMLElement;
  readonly #times: number[] = [];
  #lines: Line[] = [];
  #plot: uPlot | undefined;
  /** The names of the lines that are drawn: with other ones the plot is made anew. */
  #drawn = '';

  constructor(private readonly options: PlotOptions) {
    const section = byId(options.id);
    this.#holder = section.appendChild(element('div', 'canvas'));
    this.#holder.setAttribute('role', 'img');
    this.#legend = section.appendChild(element('ul', 'legend'));
    this.#more = section.appendChild(element('p', 'note'));
    new ResizeObserver(() => this.#plot?.setSize({ width: this.#holder.clientWidth, height: HEIGHT })).observe(
      this.#holder,
    );
    // Its colours are the style's.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#make());
  }

  /** Adds a reading, of `seconds` since 1970. */
  add(seconds: number, values: readonly Value[]): void {
    const last = this.#times.at(-1);
    // The same reading again, which another page had asked for, or a clock that was set back.
    if (last !== undefined && seconds <= last) return;
    if (last !== undefined && seconds - last > GAP_SECONDS) this.#push(last + 1, []);
    this.#push(seconds, values);
    if (this.#plot === undefined || this.#names() !== this.#drawn) this.#make();
    else this.#plot.setData(this.#data());
    this.#tell();
  }

  #push(seconds: number, values: readonly Value[]): void {
    for (const { name, upper } of values) {
      if (this.#lines.some(line => line.name === name)) continue;
      const none = this.#times.map(() => null);
      this.#lines.push({ name, values: none, uppers: upper === undefined ? undefined : [...none] });
    }
    this.#times.push(seconds);
    for (const line of this.#lines) {
      const now = values.find(({ name }) => name === line.name);
      line.values.push(now?.value ?? null);
      line.uppers?.push(now?.upper ?? null);
    }
    if (this.#times.length > MOST_READINGS) {
      this.#times.shift();
      for (const { values, uppers } of this.#lines) {
        values.shift();
        uppers?.shift();
      }
    }
    this.#lines = this.#lines.filter(line => line.values.some(value => value !== null));
  }

  get #shown(): readonly Line[] {
    return this.#lines.slice(0, MOST_LINES);
  }

  #names(): string {
    return this.#shown.map(({ name }) => name).join('\n');
  }

  #data(): uPlot.AlignedData {
    const fit = (value: number | null): number | null =>
      value === null || this.options.logarithmic !== true ? value : Math.max(value, LOWEST);
    const all = this.#shown.flatMap(({ values, uppers }) => (uppers === undefined ? [values] : [values, uppers]));
    return [this.#times, ...all.map(values => values.map(fit))];
  }

  #make(): void {
    this.#plot?.destroy();
    this.#drawn = this.#names();
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
    const axis = { stroke: colour('quiet'), grid: { stroke: colour('line'), width: 1 }, ticks: { show: false } };
    const { least, logarithmic = false } = this.options;
    const highest = (high: number | null): number => {
      const most = Math.max((high ?? 0) * 1.1, least);
      return logarithmic ? 10 ** Math.ceil(Math.log10(most)) : most;
    };
    const line = (i: number): uPlot.Series => ({
      stroke: colour(`series-${i}`),
      width: 2,
      points: { show: false },
    });
    this.#plot = new uPlot(
      {
        width: this.#holder.clientWidth,
        height: HEIGHT,
        // Room for half of the topmost number.
        padding: [8, null, null, null],
        legend: { show: false },
        cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
        scales: {
          y: logarithmic
            ? { ...LOGARITHMIC, range: (_plot, _low, high) => [LOWEST, highest(high)] }
            : { range: (_plot, _low, high) => [0, highest(high)] },
        },
        axes: [
          { ...axis, size: 26, space: 70, values: (_plot, times) => times.map(time => clock(time * 1000)) },
          {
            ...axis,
            size: 44,
            ...(logarithmic && { splits: (_plot, _axis, _low, high) => POWERS.filter(power => power <= high) }),
          },
        ],
        series: [
          {},
          ...this.#shown.flatMap(({ uppers }, i) =>
            uppers === undefined ? [line(i)] : [line(i), { ...line(i), width: 1, dash: [4, 4] }],
          ),
        ],
        hooks: { setCursor: [() => this.#tell()] },
      },
      this.#data(),
      this.#holder,
    );
    this.#legend.replaceChildren(
      ...this.#shown.map(({ name }, i) => {
        const item = element('li');
        item.append(element('span', `swatch series-${i}`), element('span', 'name', name), element('span', 'value'));
        return item;
      }),
    );
  }

  /** The values of where the pointer is, or of now. */
  #tell(): void {
    const at = this.#plot?.cursor.idx ?? this.#times.length - 1;
    const words = (value: number | null | undefined): string => (value == null ? '–' : this.options.words(value));
    const told = this.#shown.map(({ name, values, uppers }, i) => {
      const upper = uppers?.[at] == null ? '' : `, ${words(uppers[at])}`;
      const value = `${words(values[at])}${upper}`;
      const item = this.#legend.children[i];
      if (item !== undefined) setText(item.lastElementChild!, value);
      return `${name}: ${value}`;
    });
    setAttribute(this.#holder, 'aria-label', `${this.options.id} over time; ${told.join('; ') || 'no values yet'}`);
    const more = this.#lines.length - this.#shown.length;
    setText(this.#more, more > 0 ? `${more} more are not drawn` : told.length === 0 ? 'no frames yet' : '');
  }
}
