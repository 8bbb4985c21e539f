/**
 * What one part of the code knows of an object, kept at the object. A `WeakMap` would say the same; but a window's frame asks
 * a dozen such things, and each answer of a map is a hash and two places in memory that nobody else uses, which are cold
 * again after every sleep. Of an object's notes one array holds all.
 */
import type { RelayObject } from './object-map.js';
import type { Relay } from './relay.js';

/** Places that were given out. Notes are declared by modules, not by connections, so there are few. */
let places = 0;

/** One kind of knowledge about objects, declared once; an object is of one connection, so one note serves all of them. */
export class Note<T> {
  readonly #place = places++;

  get(object: RelayObject): T | undefined {
    return object.notes?.[this.#place] as T | undefined;
  }

  set(object: RelayObject, value: T): void {
    (object.notes ??= new Array<unknown>(places))[this.#place] = value;
  }

  delete(object: RelayObject): void {
    if (object.notes !== undefined) object.notes[this.#place] = undefined;
  }
}

/** Places of what is known of connections. */
let connectionPlaces = 0;

/** One kind of knowledge about connections, declared once: a concern that serves many asks for that of the one at hand. */
export class ConnectionNote<T> {
  readonly #place = connectionPlaces++;

  get(relay: Relay): T | undefined {
    return relay.notes?.[this.#place] as T | undefined;
  }

  set(relay: Relay, value: T): T {
    (relay.notes ??= new Array<unknown>(connectionPlaces))[this.#place] = value;
    return value;
  }
}
