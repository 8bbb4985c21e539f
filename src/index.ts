/**
 * What a program imports from `virtwl`: the guest library, the allocator's client, the Wayland client that draws
 * straight into shared memory, and the parts that the command-line tool is made of.
 *
 * @packageDocumentation
 */
export * from './native.js';
export * from './fd.js';
export * from './channel.js';
