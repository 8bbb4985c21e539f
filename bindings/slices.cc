#include "slices.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace virtwl {

namespace {

/** struct sched_attr of the kernel's first version (SCHED_ATTR_SIZE_VER0): glibc has it since 2.41, and the kernel's
 * header does not go together with sched.h before. */
struct Attributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime;
  uint64_t deadline;
  uint64_t period;
};
static_assert(sizeof(Attributes) == 48, "SCHED_ATTR_SIZE_VER0");

}  // namespace

void ShortenSlices() {
  Attributes attributes = {};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  if (attributes.policy != SCHED_OTHER && attributes.policy != SCHED_BATCH) return;
  // What it answers may be more than a thread may ask for, as that a child is not to have this policy.
  attributes.flags = 0;
  attributes.runtime = kShortSlice;
  syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace virtwl
