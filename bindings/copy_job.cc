#include "copy_job.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "copy_partner.h"
#include "environment.h"
#include "mapping.h"

namespace virtwl {

namespace {

/** Whether a row of the rectangle may lie where one of it is read from: the order of the rows decides then. */
bool MayOverlap(const RectCopy& copy, const uint8_t* dst, const uint8_t* src) {
  const uintptr_t to = reinterpret_cast<uintptr_t>(dst) + copy.dstOffset;
  const uintptr_t from = reinterpret_cast<uintptr_t>(src) + copy.srcOffset;
  return to < from + copy.rows * std::max(copy.srcStride, copy.rowBytes) &&
         from < to + copy.rows * std::max(copy.dstStride, copy.rowBytes);
}

}  // namespace

uint64_t CopyRects(const std::vector<RectCopy>& copies, uint8_t* dst, const uint8_t* src, int file) {
  uint64_t copied = 0;
  for (const RectCopy& copy : copies) {
    const uint64_t bytes = static_cast<uint64_t>(copy.rowBytes) * copy.rows;
    const PieceCopy copyPiece{dst, src, file};
    if (bytes >= kSharedBytes && !MayOverlap(copy, dst, src)) {
      CopyPieces(PiecesOf(copy), copyPiece);
    } else {
      copyPiece(copy);
    }
    copied += bytes;
  }
  return copied;
}

int CopyJob::Begin(Environment& environment, Mapping* dst, Mapping* src, std::vector<RectCopy> copies, int file,
                   v8::Local<v8::Function> done) {
  int own = -1;
  if (file >= 0) {
    own = fcntl(file, F_DUPFD_CLOEXEC, 0);
    if (own < 0) return -errno;
    environment.counters.fdsOpened++;
  }
  CopyJob* job = new CopyJob(environment, dst, src, std::move(copies), own, done);
  const int error = uv_queue_work(Nan::GetCurrentEventLoop(), &job->request_, Work, Done);
  if (error < 0) {
    delete job;
    return error;
  }
  // The environment waits for it when it ends, as for a handle that is being closed.
  environment.closingHandles++;
  return 0;
}

CopyJob::CopyJob(Environment& environment, Mapping* dst, Mapping* src, std::vector<RectCopy> copies, int file,
                 v8::Local<v8::Function> done)
    : environment_(environment),
      dst_(dst),
      src_(src),
      copies_(std::move(copies)),
      file_(file),
      done_(done),
      resource_("virtwl:CopyJob") {
  dst->Hold();
  src->Hold();
  request_.data = this;
}

CopyJob::~CopyJob() {
  done_.Reset();
  if (file_ >= 0) environment_.CloseFd(file_);
  dst_->LetGo();
  src_->LetGo();
}

void CopyJob::Work(uv_work_t* request) {
  CopyJob* job = static_cast<CopyJob*>(request->data);
  job->copied_ = CopyRects(job->copies_, job->dst_->address(), job->src_->address(), job->file_);
}

void CopyJob::Done(uv_work_t* request, int) {
  CopyJob* job = static_cast<CopyJob*>(request->data);
  Environment& environment = job->environment_;
  const Nan::HandleScope scope;
  environment.counters.copies += job->copies_.size();
  environment.counters.bytesCopied += job->copied_;
  if (!environment.ending()) {
    v8::Local<v8::Function> done = Nan::New(job->done_);
    v8::Local<v8::Value> arguments[] = {Nan::New(static_cast<double>(job->copied_))};
    job->resource_.runInAsyncScope(Nan::GetCurrentContext()->Global(), done, 1, arguments);
  }
  delete job;
  environment.HandleClosed();
}

}  // namespace virtwl
