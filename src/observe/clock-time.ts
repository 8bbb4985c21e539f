/** Times of this process's own clock, as others can read them. */

/** A time of `performance.now()`, in milliseconds, as ISO 8601 has it, in UTC. */
export function isoTime(milliseconds: number): string {
  return new Date(performance.timeOrigin + milliseconds).toISOString();
}
