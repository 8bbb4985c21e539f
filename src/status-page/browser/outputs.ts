/**
 * Small live pictures of the outputs, where a compositor's glue hands them out (`virtwl compositor --thumbnails`). In:
 * `thumbnails.json` beside the page, asked for with each reading while somebody looks. Out: a picture for each output.
 */
import type { ThumbnailsReport } from '../../observe/status-report.js';
import { byId, element, setAttribute, setText } from './dom.js';
import type { Reading } from './sections.js';

/** Base64, and nothing else: it becomes an address. */
const BASE64 = /^[A-Za-z0-9+/]+=*$/;

interface Shown {
  readonly figure: HTMLElement;
  readonly image: HTMLImageElement;
}

export class Outputs {
  readonly #section = byId('outputs');
  readonly #holder = this.#section.appendChild(element('div', 'pictures'));
  readonly #note = this.#section.appendChild(element('p', 'note'));
  readonly #shown = new Map<string, Shown>();
  #asking = false;

  /** Asks for pictures where there are any, one question at a time. */
  look({ reports }: Reading): void {
    const offered = reports.some(({ thumbnails }) => thumbnails === true);
    this.#section.hidden = !offered;
    if (!offered || this.#asking) return;
    this.#asking = true;
    void this.#ask().finally(() => (this.#asking = false));
  }

  async #ask(): Promise<void> {
    try {
      const answer = await fetch('thumbnails.json');
      if (!answer.ok) throw new Error(await answer.text());
      this.#show((await answer.json()) as readonly (ThumbnailsReport & { readonly pid: number })[]);
    } catch (error) {
      setText(this.#note, `no pictures: ${(error as Error).message}`);
    }
  }

  #show(compositors: readonly (ThumbnailsReport & { readonly pid: number })[]): void {
    const keys = new Set<string>();
    for (const { pid, outputs } of compositors) {
      for (const { output, width, height, png } of outputs) {
        const key = `${pid} ${output}`;
        keys.add(key);
        const { image } = this.#shown.get(key) ?? this.#make(key, output);
        image.width = width;
        image.height = height;
        if (BASE64.test(png)) setAttribute(image, 'src', `data:image/png;base64,${png}`);
      }
    }
    const refused = compositors.map(each => each.refused).filter(why => why !== undefined);
    setText(this.#note, refused.length > 0 ? `no pictures: ${refused.join('; ')}` : '');
    // While a compositor does not answer, its last picture stays.
    if (refused.length > 0) return;
    for (const [key, { figure }] of this.#shown) {
      if (keys.has(key)) continue;
      figure.remove();
      this.#shown.delete(key);
    }
  }

  #make(key: string, output: string): Shown {
    const figure = this.#holder.appendChild(element('figure'));
    const image = figure.appendChild(element('img'));
    image.alt = `what the output ${output} shows`;
    figure.append(element('figcaption', '', output));
    const shown = { figure, image };
    this.#shown.set(key, shown);
    return shown;
  }
}
