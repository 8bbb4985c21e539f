/**
 * How long a thread that copies keeps a processor from others that wake up. A large copy takes milliseconds, and who
 * passes a small frame on meanwhile waits for the end of its slice: the shorter that is, the sooner it is let in
 * between.
 */
#ifndef VIRTWL_BINDINGS_SLICES_H_
#define VIRTWL_BINDINGS_SLICES_H_

#include <cstdint>

namespace virtwl {

/** The least that Linux takes, in nanoseconds: sched(7), NSEC_PER_MSEC / 10. By itself a slice is 1 to 3 ms. */
constexpr uint64_t kShortSlice = 100'000;

/**
 * The calling thread has slices of kShortSlice from now on. Linux before 6.12 has one length for all and changes
 * nothing; nor does a process change that may not ask, or has a scheduling policy of its own: it is only slower for
 * others then.
 */
void ShortenSlices();

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_SLICES_H_
