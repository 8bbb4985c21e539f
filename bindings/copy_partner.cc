#include "copy_partner.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>

namespace virtwl {

namespace {

/** Bytes of a rectangle from which on reading a file costs less than the page faults of its mapping: some 16 pages. */
constexpr uint64_t kReadBytes = 64 * 1024;

/** One copy that two threads make. On the stack of the one that asks. */
struct Shared {
  const std::vector<RectCopy>& pieces;
  const PieceCopy& copy;
  std::atomic<size_t> next{0};

  void Run() {
    for (size_t i = next++; i < pieces.size(); i = next++) copy(pieces[i]);
  }
};

class Partner {
 public:
  /** The process's; null where it would have no processor, or there is no thread for it. */
  static Partner* Get() {
    // Never deleted: its thread is there until the process ends.
    static Partner* const partner = Make();
    return partner;
  }

  void Help(Shared* shared) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (offered_ != nullptr || working_ != nullptr) return shared->Run();
      offered_ = shared;
    }
    come_.notify_one();
    shared->Run();
    std::unique_lock<std::mutex> lock(mutex_);
    if (offered_ == shared) {
      // It never came.
      offered_ = nullptr;
      return;
    }
    // It may have begun another's when this thread wakes up.
    done_.wait(lock, [this, shared] { return working_ != shared; });
  }

 private:
  static Partner* Make() {
    cpu_set_t processors;
    if (sched_getaffinity(0, sizeof processors, &processors) == 0 && CPU_COUNT(&processors) < 2) return nullptr;
    Partner* partner = new Partner();
    // Signals are for the threads of Node.js, but for those that a copy itself may cause.
    sigset_t others;
    sigset_t before;
    sigfillset(&others);
    for (const int own : {SIGBUS, SIGSEGV, SIGFPE, SIGILL}) sigdelset(&others, own);
    pthread_sigmask(SIG_BLOCK, &others, &before);
    pthread_t thread;
    const int error = pthread_create(&thread, nullptr, Loop, partner);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0) {
      delete partner;
      return nullptr;
    }
    pthread_setname_np(thread, "virtwl-copy");
    pthread_detach(thread);
    return partner;
  }

  static void* Loop(void* data) {
    Partner* const self = static_cast<Partner*>(data);
    std::unique_lock<std::mutex> lock(self->mutex_);
    for (;;) {
      self->come_.wait(lock, [self] { return self->offered_ != nullptr; });
      self->working_ = self->offered_;
      self->offered_ = nullptr;
      lock.unlock();
      self->working_->Run();
      lock.lock();
      self->working_ = nullptr;
      // All of them: one waits for this, and another may still have to see that its own is over.
      self->done_.notify_all();
    }
    return nullptr;
  }

  std::mutex mutex_;
  std::condition_variable come_;
  std::condition_variable done_;
  /** Waits for the partner to come. */
  Shared* offered_ = nullptr;
  /** What it is at work at. Only its own thread changes it. */
  Shared* working_ = nullptr;
};

}  // namespace

std::vector<RectCopy> PiecesOf(const RectCopy& copy) {
  std::vector<RectCopy> pieces;
  const size_t rows = std::max<size_t>(1, kPieceBytes / std::max<size_t>(1, copy.rowBytes));
  for (size_t row = 0; row < copy.rows; row += rows) {
    RectCopy piece = copy;
    piece.dstOffset += row * copy.dstStride;
    piece.srcOffset += row * copy.srcStride;
    piece.rows = std::min(rows, copy.rows - row);
    pieces.push_back(piece);
  }
  return pieces;
}

void PieceCopy::operator()(const RectCopy& piece) const {
  const uint64_t bytes = static_cast<uint64_t>(piece.rowBytes) * piece.rows;
  if (file < 0 || bytes < kReadBytes || !ReadRect(piece, dst, file)) CopyRect(piece, dst, src);
}

void CopyPieces(const std::vector<RectCopy>& pieces, const PieceCopy& copy) {
  Shared shared{pieces, copy};
  Partner* const partner = pieces.size() < 2 ? nullptr : Partner::Get();
  if (partner == nullptr) {
    shared.Run();
  } else {
    partner->Help(&shared);
  }
}

}  // namespace virtwl
