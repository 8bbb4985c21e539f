/** What an application says to `wl_shm`, its pools and its buffers: they stay on this side. */
import { Verdict, type RequestHandlers } from '../relay/call.js';
import { AppBuffer, AppPool, type PoolLimit } from './app-pool.js';
import type { RelayObject } from '../relay/object-map.js';

/** What becomes of an application's memory. */
export interface ShmRules {
  /** The pools that it has. */
  readonly pools: Set<AppPool>;
  readonly limit: PoolLimit | undefined;
  /** Mappings of pools are about to be replaced. */
  readonly replacing: () => void;
  /** It destroys a buffer. */
  readonly destroyed: (buffer: RelayObject<'wl_buffer'>) => void;
}

/** Handlers for one connection. */
export function shmHandlers({ pools, limit, replacing, destroyed }: ShmRules): RequestHandlers {
  return {
    wl_shm: {
      create_pool: call => {
        const pool = new AppPool(call.takeFd(), call.args.size, call.object.clientId, pools, limit);
        try {
          call.relay.adopt('wl_shm_pool', call.object.version, call.args.id, true, pool);
        } catch (error) {
          pool.close();
          throw error;
        }
        return Verdict.Drop;
      },
    },
    wl_shm_pool: {
      create_buffer: call => {
        const buffer = AppBuffer.create(call.object.data as AppPool, call.object.clientId, call.args);
        try {
          call.relay.adopt('wl_buffer', 1, call.args.id, true, buffer);
        } catch (error) {
          buffer.release();
          throw error;
        }
        return Verdict.Drop;
      },
      resize: ({ object, args }) => {
        replacing();
        (object.data as AppPool).resize(args.size, object.clientId);
        return Verdict.Drop;
      },
      destroy: ({ object }) => {
        (object.data as AppPool).destroyed();
        return Verdict.Drop;
      },
    },
    wl_buffer: {
      destroy: ({ object }) => {
        if (!(object.data instanceof AppBuffer)) return Verdict.Forward;
        destroyed(object);
        object.data.destroyed();
        return Verdict.Drop;
      },
    },
  };
}
