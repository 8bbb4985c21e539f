/**
 * What a pace counts of one VM, in memory that the native pass of its relays counts in as well (`relay/pass.ts`): costs,
 * in simple requests, and milliseconds.
 */
import { Entry } from '../relay/pass-words.js';

export class PaceCounts {
  readonly shared = new Float64Array(Entry.Count);

  /** Cost before the compositor. */
  get ahead(): number {
    return this.shared[Entry.Ahead]!;
  }

  set ahead(cost: number) {
    this.shared[Entry.Ahead] = cost;
  }

  /** Cost that may be before it as it answers now. */
  get window(): number {
    return this.shared[Entry.Window]!;
  }

  set window(cost: number) {
    this.shared[Entry.Window] = cost;
  }

  /** After how much cost of a connection the compositor is asked. */
  get askAfter(): number {
    return this.shared[Entry.AskAfter]!;
  }

  set askAfter(cost: number) {
    this.shared[Entry.AskAfter] = cost;
  }

  /** Cost that nobody has asked about yet. */
  get unasked(): number {
    return this.shared[Entry.Unasked]!;
  }

  set unasked(cost: number) {
    this.shared[Entry.Unasked] = cost;
  }

  /** The number of the connection that has spoken last. */
  get turn(): number {
    return this.shared[Entry.Turn]!;
  }

  set turn(connection: number) {
    this.shared[Entry.Turn] = connection;
  }

  /** What it has said since another did. */
  get turnCost(): number {
    return this.shared[Entry.TurnCost]!;
  }

  set turnCost(cost: number) {
    this.shared[Entry.TurnCost] = cost;
  }

  /** What it took of our own time since others were looked at, in requests. */
  get slice(): number {
    return this.shared[Entry.Slice]!;
  }

  set slice(own: number) {
    this.shared[Entry.Slice] = own;
  }

  /** How much of that it may take. */
  get mostSlice(): number {
    return this.shared[Entry.MostSlice]!;
  }

  set mostSlice(own: number) {
    this.shared[Entry.MostSlice] = own;
  }

  /** Milliseconds for which the compositor may be at work for it. */
  get credit(): number {
    return this.shared[Entry.Credit]!;
  }

  set credit(milliseconds: number) {
    this.shared[Entry.Credit] = milliseconds;
  }

  /** Whether its requests wait for the time to come. */
  get rests(): boolean {
    return this.shared[Entry.Rests] !== 0;
  }

  set rests(rests: boolean) {
    this.shared[Entry.Rests] = rests ? 1 : 0;
  }

  /** Whether no other VM shares the compositor. */
  get only(): boolean {
    return this.shared[Entry.Only] !== 0;
  }

  set only(only: boolean) {
    this.shared[Entry.Only] = only ? 1 : 0;
  }

  /** Connections whose requests wait. */
  set waits(connections: number) {
    this.shared[Entry.Waits] = connections;
  }

  /** Something was said since this was set back. */
  get spoke(): boolean {
    return this.shared[Entry.Spoke] !== 0;
  }

  set spoke(spoke: boolean) {
    this.shared[Entry.Spoke] = spoke ? 1 : 0;
  }
}
