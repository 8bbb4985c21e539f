/**
 * What a program imports from `virtwl`. For a guest: the way to its host, and memory from the allocator. For a host: the
 * servers of one VM, and the broker. For both ends of a Wayland connection: the client proxy and the compositor's glue.
 * The command-line tool is made of the same parts.
 *
 * @packageDocumentation
 */

// Descriptors, and what carries them.
export * from './native.js';
export * from './fd.js';
export * from './channel.js';
export { UnixListener, UnixSocket } from './unix-socket.js';
export type { UnixListenerEvents, UnixListenerOptions, UnixSocketOptions } from './unix-socket.js';

// A guest's side of virtio_wl.
export * from './virtwl/device.js';
export { probe } from './virtwl/probe.js';
export type { ProbeOptions, ProbeResult, ProbeStep } from './virtwl/probe.js';
export { splice } from './virtwl/splice.js';
export type { Splice, SpliceOptions, SpliceResult } from './virtwl/splice.js';

// Host memory.
export { AllocationRefused, AllocatorClient } from './allocator/client.js';
export type { AllocatorClientOptions } from './allocator/client.js';
export { describeStatus, Status } from './allocator/protocol.js';
export { Regions } from './allocator/regions.js';
export { Budget } from './allocator/budget.js';
export type { BudgetOptions, Grant } from './allocator/budget.js';
export { AllocatorServer } from './allocator/server.js';
export type { AllocatorServerOptions } from './allocator/server.js';

// A host's side.
export { VmHost } from './host/host.js';
export type { VmHostOptions } from './host/host.js';
export { Broker } from './host/broker.js';
export type { BrokerOptions } from './host/broker.js';

// Applications of this VM on the compositor of another, and the compositor that serves them.
export { ClientProxy } from './client/proxy.js';
export type { ClientProxyOptions } from './client/proxy.js';
export { Glue } from '../compositor-glue/glue.js';
export type { GlueOptions } from '../compositor-glue/glue.js';
export { BrokerLink } from '../compositor-glue/broker-link.js';
export type { BrokerLinkEvents, BrokerLinkOptions } from '../compositor-glue/broker-link.js';
export { HEADLESS, launchCompositor } from '../compositor-glue/launch.js';
export type { Compositor, LaunchOptions } from '../compositor-glue/launch.js';
