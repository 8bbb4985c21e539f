/**
 * What a program imports from `virtwl`. For a guest: the way to its host, and memory from the allocator. For a host: the
 * servers of one VM, and the broker. For both ends of a Wayland connection: the client proxy and the compositor's glue.
 * The command-line tool is made of the same parts.
 *
 * @packageDocumentation
 */

// Descriptors, and what carries them.
export * from './system/native.js';
export * from './system/fd.js';
export * from './system/channel.js';
export { UnixSocket } from './system/unix-socket.js';
export { UnixListener } from './system/unix-listener.js';
export type { UnixSocketOptions } from './system/unix-socket.js';
export type { UnixListenerEvents, UnixListenerOptions } from './system/unix-listener.js';

// A guest's side of virtio_wl.
export * from './virtwl/device.js';
export { probe } from './probe/probe.js';
export type { ProbeOptions, ProbeResult, ProbeStep } from './probe/probe.js';
export { splice } from './system/splice.js';
export type { Splice, SpliceOptions, SpliceResult } from './system/splice.js';

// Host memory.
export { AllocationRefused, AllocatorClient } from './allocator/client.js';
export type { AllocatorClientOptions } from './allocator/client.js';
export { describeStatus, Status } from './allocator/protocol.js';
export { Ranges } from './system/ranges.js';
export { Budget } from './allocator/budget.js';
export type { BudgetOptions, Grant } from './allocator/budget.js';
export { AllocatorServer } from './allocator/server.js';
export type { AllocatorServerOptions } from './allocator/server.js';

// A host's side.
export { VmHost } from './host/host.js';
export type { VmHostOptions } from './host/host.js';
export { Broker } from './broker/broker.js';
export type { BrokerOptions } from './broker/broker.js';

// What all of them say.
export { Log, LogOutput } from './observe/log.js';
export type { LogOutputOptions } from './observe/log.js';
export type { LogFields, LogFormat } from './observe/log-format.js';
export type { Level } from './observe/level.js';
export { TraceOutput } from './relay/trace.js';
export type { Trace } from './relay/trace.js';

// Drawing straight into memory that the compositor reads.
export { DirectClient, Seat, SharedBuffer, SharedSurface, Window } from './direct/direct.js';
export type { DirectClientEvents, DrawingMemory, Rect, WindowEvents, WindowOptions } from './direct/direct.js';
export type { InputEvents, Modifiers, PointerAxis } from './direct/direct.js';
export { Display } from './wayland-client/display.js';
export type { DisplayEvents, MessageTrace } from './wayland-client/display.js';
export { WaylandObject } from './wayland-client/wayland-object.js';

// Applications of this VM on the compositor of another, and the compositor that serves them.
export { ClientProxy } from './client/proxy.js';
export type { ClientProxyEvents, ClientProxyOptions } from './client/proxy.js';
export { Glue } from '../compositor-glue/glue.js';
export type { GlueEvents, GlueOptions } from '../compositor-glue/glue.js';
export { BrokerLink } from './broker/glue-link.js';
export type { BrokerLinkEvents, BrokerLinkOptions } from './broker/glue-link.js';
export { HEADLESS, launchCompositor } from '../compositor-glue/launch.js';
export type { Compositor, LaunchOptions } from '../compositor-glue/launch.js';
