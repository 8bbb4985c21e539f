/**
 * Numbers that TypeScript and the native pass (`pass.ts`) share in arrays, by their places: the same as in
 * `bindings/message_pass.h`.
 */

/** Words of a connection: the same as in `bindings/message_pass.h`. */
export const enum Word {
  /** While one of the first seven is not 0, TypeScript takes the way: the flow of that way holds something. */
  RequestFlow,
  EventFlow,
  /** Something is gathered that has not left. */
  ToServerHolds,
  ToClientHolds,
  /** The channel does not send at once. */
  ToServerBusy,
  ToClientBusy,
  /** Requests are kept back: each is asked about. */
  Holding,
  /** Ids of the client's below that were in use before. */
  ClientLength,
  /** Ids of ours below that are not simply free when they are confirmed. */
  FirstReused,
  FreeCount,
  /** Callbacks that the client waits for. */
  Callbacks,
  /** How often the compositor has called one. */
  Answers,
  /** Of each way: what was received (see `NOTHING_TAKEN`), how much of it has passed, how much of that was sent. */
  RequestTaken,
  RequestPassed,
  RequestSent,
  EventTaken,
  EventPassed,
  EventSent,
  /** Batches that went through without TypeScript. */
  Batches,
  /** Rectangles of damage that a steady frame may have; 0: there is none. */
  FrameDamage,
  /** Steady frames that passed. */
  Frames,
  /** Those of them that brought a buffer. */
  Pictures,
  /** The next request is TypeScript's, which wants to know that there is one: see `Relay.whenSpoken`. */
  Awaited,
  /** The compositor's id of the buffer that is timed, 0: none; since when, in microseconds; `Pictures` of then. */
  Timed,
  TimedSince,
  TimedPicture,
  /** How many times were taken; behind all of these words the last of them, in microseconds. */
  TimesTaken,
  /** A timer that tells of releases comes round here, so that they may wait. */
  ReleasesTimed,
  /** How often it has since the first of those that wait; how often it may; answers since that came before it did. */
  ReleaseTurns,
  MostReleaseTurns,
  PromptAnswers,
  /** Buffers of which the client is told with the next event that they are released: how many; see {@link RELEASED}. */
  Releases,
  Times,
}

/** Times that are kept of a connection. */
export const MOST_TIMES = 32;
/** Releases that may wait: programs have two or three buffers in each of their windows. */
export const MOST_RELEASES = 16;
/** The first word of their ids. */
export const RELEASED = Word.Times + MOST_TIMES;
/** How many words there are. */
export const WORDS = RELEASED + MOST_RELEASES;

/** Numbers of a pace that the pass counts in as well. */
export const enum Entry {
  Ahead,
  Window,
  Credit,
  Rests,
  Spoke,
  AskAfter,
  Unasked,
  Turn,
  TurnCost,
  Slice,
  MostSlice,
  /** 1: no other VM shares the compositor. */
  Only,
  /** Connections whose requests wait. */
  Waits,
  Count,
}

/** Numbers of a connection that the pass counts in as well. */
export const enum OwnEntry {
  Unasked,
  Number,
  /** 1: the VM knows it as one that owes. */
  Owes,
  /** The compositor's id of the callback whose answer settles what was owed when it was asked for, 0: none; how much. */
  Noted,
  NotedCost,
  Count,
}
