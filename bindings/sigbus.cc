#include "sigbus.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>

namespace virtwl {

/**
 * Entries are linked once and never freed, only used again: the handler may be walking the list at any moment, in any
 * thread, and can take no lock. `version` is odd while the other fields are being changed; an entry that changes under
 * the handler's eyes cannot be the one whose memory the handler's own thread is just accessing.
 */
struct GuardedRange {
  std::atomic<uint32_t> version{0};
  std::atomic<uintptr_t> start{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<int> protection{0};
  std::atomic<bool> faulted{false};
  /** Set before the entry is linked. */
  GuardedRange* next = nullptr;
  /** Guarded by `changing`. */
  GuardedRange* nextFree = nullptr;
};

namespace {

std::atomic<GuardedRange*> ranges{nullptr};
std::mutex changing;
GuardedRange* freeRanges = nullptr;
/** What handled SIGBUS before us. Written before our handler is installed. */
struct sigaction previousAction;
uintptr_t pageSize = 0;

/** Puts zeros from the faulting page to the end of its mapping. False when the address is in no mapping of ours. */
bool ReplaceLostMemory(uintptr_t address) {
  for (GuardedRange* range = ranges.load(std::memory_order_acquire); range != nullptr; range = range->next) {
    const uint32_t version = range->version.load(std::memory_order_acquire);
    const uintptr_t start = range->start.load(std::memory_order_relaxed);
    const uintptr_t end = range->end.load(std::memory_order_relaxed);
    const int protection = range->protection.load(std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (version % 2 != 0 || range->version.load(std::memory_order_relaxed) != version) continue;
    if (address < start || address >= end) continue;
    // To the end, not one page: behind the end of a shrunk file everything is gone, and a mapping that was replaced
    // page by page could be driven to the kernel's limit on mappings (65,530), where the next replacement would fail.
    const uintptr_t page = address & ~(pageSize - 1);
    void* replaced = mmap(reinterpret_cast<void*>(page), end - page, protection,
                          MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (replaced == MAP_FAILED) return false;
    range->faulted.store(true, std::memory_order_release);
    return true;
  }
  return false;
}

void PassOn(int signal, siginfo_t* info, void* context) {
  if ((previousAction.sa_flags & SA_SIGINFO) != 0) {
    previousAction.sa_sigaction(signal, info, context);
    return;
  }
  if (previousAction.sa_handler != SIG_DFL && previousAction.sa_handler != SIG_IGN) {
    previousAction.sa_handler(signal);
    return;
  }
  const bool sent = info->si_code <= 0;
  if (sent && previousAction.sa_handler == SIG_IGN) return;
  // The default is to die of it, and a real fault cannot be ignored. The access is repeated when this handler returns;
  // a signal that a process sent has to be sent again.
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(SIGBUS, &action, nullptr);
  if (sent) raise(SIGBUS);
}

void HandleSigbus(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  const bool fault = info->si_code > 0;
  if (!fault || !ReplaceLostMemory(reinterpret_cast<uintptr_t>(info->si_addr))) PassOn(signal, info, context);
  errno = saved;
}

void InstallHandler() {
  pageSize = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  sigaction(SIGBUS, nullptr, &previousAction);
  struct sigaction action = {};
  action.sa_sigaction = HandleSigbus;
  // On the alternate stack where a thread has one; SA_NODEFER so that a fault in a chained handler is not a deadlock.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

/** Changes an entry so that the handler sees either the old or the new one. */
void Change(GuardedRange* range, uintptr_t start, uintptr_t end, int protection) {
  const uint32_t version = range->version.load(std::memory_order_relaxed);
  range->version.store(version + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  range->start.store(start, std::memory_order_relaxed);
  range->end.store(end, std::memory_order_relaxed);
  range->protection.store(protection, std::memory_order_relaxed);
  range->faulted.store(false, std::memory_order_relaxed);
  range->version.store(version + 2, std::memory_order_release);
}

}  // namespace

GuardedRange* GuardRange(void* start, size_t length, int protection) {
  static std::once_flag installed;
  std::call_once(installed, InstallHandler);
  const uintptr_t first = reinterpret_cast<uintptr_t>(start);
  const uintptr_t end = (first + length + pageSize - 1) & ~(pageSize - 1);

  const std::lock_guard<std::mutex> lock(changing);
  GuardedRange* range = freeRanges;
  if (range != nullptr) {
    freeRanges = range->nextFree;
    Change(range, first, end, protection);
    return range;
  }
  range = new GuardedRange();
  Change(range, first, end, protection);
  range->next = ranges.load(std::memory_order_relaxed);
  ranges.store(range, std::memory_order_release);
  return range;
}

void UnguardRange(GuardedRange* range) {
  const std::lock_guard<std::mutex> lock(changing);
  Change(range, 0, 0, 0);
  range->nextFree = freeRanges;
  freeRanges = range;
}

bool RangeFaulted(const GuardedRange* range) { return range->faulted.load(std::memory_order_acquire); }

}  // namespace virtwl
