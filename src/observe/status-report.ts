/**
 * What `virtwl status --json` prints: an array of {@link ProcessReport}, one for each process that was asked. In: nothing,
 * these are types. Whoever shows the status (the text, a page) reads these and no others; docs/status.md has them for people.
 *
 * Beside what is typed here, a report has every counter of `counters.ts` under its own name, with dots as levels: they are
 * what OpenMetrics is made of.
 *
 * Times are ISO 8601 in UTC, by the clock of the machine whose process answers. Nothing is told that is longer than
 * {@link MOST_TEXT} characters, and no text has a control character in it. What another VM has said of itself stands below
 * `says`, and nowhere else.
 */

/** Longest text of a report, in characters: a title bar's worth. Longer ones are cut and end in an ellipsis. */
export const MOST_TEXT = 256;
/** Clients that are told one by one, of a process: more are counted only. A desktop has dozens. */
export const MOST_CLIENTS_TOLD = 256;
/** Lines of its log that a process tells: what led to a fault, and 8 KiB of an answer at most. */
export const MOST_LINES_TOLD = 30;

/** How one process is. */
export interface ProcessReport {
  /** The subcommand: broker, host, allocator, compositor, run. */
  readonly role: string;
  readonly pid: number;
  /** Of a host process: the VM that it is for, by the operator's word. */
  readonly vm?: string;
  /** When the process began. Undefined where it has not answered, as is all below but `state`. */
  readonly since?: string;
  /** When it answered, in milliseconds since it began: frames a second are counted between two of them. */
  readonly at?: number;
  /** Why there is no answer. Whoever asked says so. */
  readonly silent?: string;
  readonly state: StateReport;
  /** The last thing that it logged as an error or a warning, printed or not. */
  readonly lastError?: ErrorReport;
  /** The lines that its log had last, the oldest first: {@link MOST_LINES_TOLD} at most. */
  readonly log?: readonly LogLine[];
  /** Of `run` and `compositor`: frames a second of all clients, see {@link FrameReport}. */
  readonly framesPerSecond?: number;
  /** Of `run`: of all its programs. */
  readonly latency?: LatencyReport;
  /** Of `run`: the programs that are connected, {@link MOST_CLIENTS_TOLD} at most. */
  readonly programs?: readonly ProgramReport[];
  /** Of `compositor`: the VMs that have something there, or were denied something. */
  readonly clientVms?: readonly VmReport[];
  /** Of `compositor`: it hands out small pictures of its outputs, {@link ThumbnailsReport}, to who asks for them. */
  readonly thumbnails?: true;
}

/** What a compositor's glue answers on the socket for its thumbnails. */
export interface ThumbnailsReport {
  readonly outputs: readonly Thumbnail[];
  /** Why there are none. */
  readonly refused?: string;
}

export interface Thumbnail {
  /** The output's name. */
  readonly output: string;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
  /** A PNG, in base64. */
  readonly png: string;
}

/**
 * `served`: it has clients, and all are answered. `idle`: it has none. `waiting`: something is not there that it needs.
 * `frozen`: the process does not answer its status socket.
 */
export type StateName = 'served' | 'idle' | 'waiting' | 'frozen';

/**
 * `memory`: host memory for a frame. `release`: the compositor holds as many buffers of a window as it may. `answer`: the
 * compositor is connected and has not answered. `compositor`: there is none. `broker`, `host`, `vmm`: that process.
 */
export type WaitedFor = 'memory' | 'release' | 'answer' | 'compositor' | 'broker' | 'host' | 'vmm';

export interface StateReport {
  readonly is: StateName;
  /** Of `waiting` alone. */
  readonly for?: WaitedFor;
  /** Of `waiting`: when the wait began; undefined where nobody knows. */
  readonly since?: string;
  /** Of `waiting`: the same in words, with what to do where that is known. */
  readonly text?: string;
}

export interface ErrorReport {
  readonly time: string;
  readonly level: 'error' | 'warning';
  readonly text: string;
  /** The VM that it is about, if it is about one. */
  readonly vm?: string;
}

/** A line of a process's log that was printed. It can have words of a VM's in it. */
export interface LogLine {
  readonly time: string;
  readonly level: 'error' | 'warning' | 'info' | 'debug';
  /** The part of the process that speaks. */
  readonly component: string;
  /** Whom it is about. */
  readonly vm?: string;
  readonly client?: number;
  readonly text: string;
  /** How often it came again since; the line is about those then. */
  readonly repeated?: number;
}

/** What is counted of a client's frames: commits that brought a buffer and were passed on to the compositor. */
export interface FrameReport {
  /** Since the client is connected; of a process or a VM: since it began. */
  readonly frames: number;
  /** Between two readings; see `process-report.ts`. Undefined where there was only one. */
  readonly framesPerSecond?: number;
}

/** From a commit until the compositor released its buffer, of the last frames, as who tells it sees it; in milliseconds. */
export interface LatencyReport {
  readonly p50: number;
  readonly p99: number;
  /** Of how many frames: at most as many as `latencies.ts` keeps. */
  readonly frames: number;
}

/** A program that is connected to `virtwl run`: facts of this VM's own. */
export interface ProgramReport extends FrameReport {
  /** Its number, from 1 on, as the log has it. */
  readonly client: number;
  /** Who made the connection, by SO_PEERCRED, and its name in /proc; undefined where that is not to be known. */
  readonly pid?: number;
  readonly program?: string;
  /** When it connected. */
  readonly since: string;
  readonly state: StateReport;
  /** Toplevel windows that it has. */
  readonly windows: number;
  readonly latency?: LatencyReport;
  readonly bytesCopied: number;
  /** Bytes of its frames that did not have to be copied, since they had not changed. */
  readonly bytesNotCopied: number;
}

/** What a client VM has at the compositor: the glue's own account. */
export interface VmReport extends FrameReport {
  /** By the host's word. */
  readonly vm: string;
  readonly state: StateReport;
  /** How many clients it has. */
  readonly clientCount: number;
  /** {@link MOST_CLIENTS_TOLD} at most, of all VMs together. */
  readonly clients: readonly ClientReport[];
  /** Of some of the last frames of its clients' windows: the compositor's own part of it, without the ways there and back. */
  readonly latency?: LatencyReport;
  /** Host memory on its account, in bytes and slabs, and what its policy lets it have. */
  readonly memory: { readonly bytes: number; readonly share: number; readonly slabs: number };
  /** What it was refused, by kind; the kind that came last is the first. */
  readonly denials: readonly DenialReport[];
}

/** A client of another VM. */
export interface ClientReport extends FrameReport {
  /** Its number, from 1 on, as the log has it. */
  readonly client: number;
  readonly since: string;
  readonly windows: number;
  /** By the client's own word: believe none of it. Of the window that was named last. */
  readonly says: { readonly appId?: string; readonly title?: string };
}

export interface DenialReport {
  /** The setting of a policy, as its file has it: `clients`, `memory`, `deny xdg_wm_base`, `limit popups`. */
  readonly setting: string;
  /** Where that setting stands, as FILE:LINE; undefined where no file says it and the default holds. */
  readonly policy?: string;
  readonly count: number;
  /** When the last was. */
  readonly last: string;
  /** What was denied then. It can have words of the VM's in it, as log lines do. */
  readonly text: string;
}
