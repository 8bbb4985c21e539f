/**
 * Our own private extension, spoken only on the link between the client proxy (or a program that draws straight into
 * shared memory) and the glue: how memory that the glue got from the allocator reaches the other side. No application
 * and no compositor ever sees it.
 *
 * `virtwl_memory_v1.allocate` asks for a slab of `size` bytes. The slab answers with one event: `memory` carries the slab
 * as a descriptor, or `refused` says why not. `create_pool` then makes a wl_shm_pool of the whole slab, whose requests are
 * the core protocol's.
 *
 * From version 2 on, `key` comes before `memory`. Another connection of the same VM that knows the key may `join` the slab
 * for pools of its own; it is answered by `joined`, or `refused`. So the connections of one proxy, which has mapped the
 * slab once, share it. `short` says that another client of the VM was refused so many bytes, because the VM has used up
 * what it may have: whoever has something to give up should do so.
 */
import { defineInterface } from '../interface.js';

export const interfaces = [
  defineInterface('virtwl_memory_v1', 2, {
    requests: [
      'destroy!',
      'allocate id:new_id(virtwl_slab_v1) size:uint',
      'join@2 id:new_id(virtwl_slab_v1) key:string',
    ],
    events: ['short@2 bytes:uint'],
  }),
  defineInterface('virtwl_slab_v1', 2, {
    requests: ['destroy!', 'create_pool id:new_id(wl_shm_pool)'],
    events: ['memory memory:fd size:uint', 'refused reason:uint message:string', 'key@2 key:string', 'joined@2'],
  }),
];
