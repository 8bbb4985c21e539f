/** All targets, and where their corpora are. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Target } from './target.js';
import { allocatorReplies } from './targets/allocator-replies.js';
import { allocatorStream } from './targets/allocator-stream.js';
import { brokerAnswers } from './targets/broker-answers.js';
import { brokerControl } from './targets/broker-control.js';
import { brokerLink } from './targets/broker-link.js';
import { gpuCommands } from './targets/gpu-commands.js';
import { guestRings } from './targets/guest-rings.js';
import { policyFile } from './targets/policy-file.js';
import { probeRequests } from './targets/probe-requests.js';
import { vhostUser } from './targets/vhost-user.js';
import { waylandTargets } from './targets/wayland.js';
import { wlCommands } from './targets/wl-commands.js';
import { xSelections } from './targets/x-selections.js';
import { xServer } from './targets/x-server.js';

export const targets: readonly Target[] = [
  ...[policyFile, allocatorStream, allocatorReplies, brokerControl, brokerAnswers, brokerLink, probeRequests],
  ...[...waylandTargets, wlCommands, gpuCommands, guestRings, vhostUser, xServer, xSelections],
];

/** The compiled tests are in dist/test; the corpora are with the sources. */
const CORPUS = fileURLToPath(new URL('../../../test/fuzz/corpus', import.meta.url));

export function corpusOf(name: string): string {
  return join(CORPUS, `${name}.base64`);
}
