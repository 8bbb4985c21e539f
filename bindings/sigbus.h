/**
 * The guard against SIGBUS. Another process that holds a file can shrink it, and then touching what we have mapped of
 * it raises SIGBUS, which would end the process: any peer that sends us memory could kill us. The guard knows every
 * live mapping; when the fault lies in one, it puts zeros in place of the memory that is gone, notes the fault and lets
 * the access go on. A SIGBUS anywhere else goes to the handler that was there before.
 *
 * The handler is installed with the first mapping. A handler that is installed later (by process.on('SIGBUS') for
 * instance) takes the guard away, unless it passes on what it does not know.
 */
#ifndef VIRTWL_BINDINGS_SIGBUS_H_
#define VIRTWL_BINDINGS_SIGBUS_H_

#include <cstddef>

namespace virtwl {

/** The guard's entry for one mapping. */
struct GuardedRange;

/** Starts guarding [start, start + length): whole pages. `protection` as in mmap(2). Installs the handler once. */
GuardedRange* GuardRange(void* start, size_t length, int protection);

/** Ends it; call before munmap, since another mapping may have the addresses right afterwards. */
void UnguardRange(GuardedRange* range);

/** Whether memory in the range was found gone. */
bool RangeFaulted(const GuardedRange* range);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_SIGBUS_H_
