/**
 * Our own private extension, spoken only on the link between the client proxy (or a program that draws straight into
 * shared memory) and the glue: how memory that the glue got from the allocator reaches the other side. No application
 * and no compositor ever sees it.
 *
 * `virtwl_memory_v1.allocate` asks for a slab of `size` bytes. The slab answers with one event: `memory` carries the slab
 * as a descriptor, or `refused` says why not. `create_pool` then makes a wl_shm_pool of the whole slab, whose requests are
 * the core protocol's.
 */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('virtwl_memory_v1', 1, {
    requests: ['destroy!', 'allocate id:new_id(virtwl_slab_v1) size:uint'],
  }),
  defineInterface('virtwl_slab_v1', 1, {
    requests: ['destroy!', 'create_pool id:new_id(wl_shm_pool)'],
    events: ['memory memory:fd size:uint', 'refused reason:uint message:string'],
  }),
];
