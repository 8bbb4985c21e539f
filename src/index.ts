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

// Drawing straight into memory that the compositor reads.
export { DirectClient, SharedBuffer, SharedSurface, Window } from './client/direct.js';
export type { DirectClientEvents, DrawingMemory, Rect, WindowOptions } from './client/direct.js';
export type { WindowEvents } from './client/window.js';
export { Display } from './wayland/client.js';
export type { DisplayEvents } from './wayland/client.js';
export { WaylandObject } from './wayland/wayland-object.js';

// Applications of this VM on the compositor of another, and the compositor that serves them.
export { ClientProxy } from './client/proxy.js';
export type { ClientProxyEvents, ClientProxyOptions } from './client/proxy.js';
export { Glue } from '../compositor-glue/glue.js';
export type { GlueEvents, GlueOptions } from '../compositor-glue/glue.js';
export { BrokerLink } from '../compositor-glue/broker-link.js';
export type { BrokerLinkEvents, BrokerLinkOptions } from '../compositor-glue/broker-link.js';
export { HEADLESS, launchCompositor } from '../compositor-glue/launch.js';
export type { Compositor, LaunchOptions } from '../compositor-glue/launch.js';
