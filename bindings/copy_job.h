/**
 * Copies rectangles of pixels between mappings in a thread of libuv's pool, while JavaScript goes on. What is copied
 * was checked before; the job holds both mappings and a descriptor of its own, so that neither can go meanwhile.
 */
#ifndef VIRTWL_BINDINGS_COPY_JOB_H_
#define VIRTWL_BINDINGS_COPY_JOB_H_

#include <nan.h>

#include <cstdint>
#include <vector>

#include "rect_copy.h"

namespace virtwl {

class Environment;
class Mapping;

/** Copies all; `file` as in ReadRect, -1: none. Returns the bytes. Any thread. */
uint64_t CopyRects(const std::vector<RectCopy>& copies, uint8_t* dst, const uint8_t* src, int file);

class CopyJob {
 public:
  /**
   * Begins. `done` is called with the bytes copied, unless the environment ends before; `file` is lent for this call.
   * Returns 0, or a negative error of libuv or of dup(2) and nothing was begun.
   */
  static int Begin(Environment& environment, Mapping* dst, Mapping* src, std::vector<RectCopy> copies, int file,
                   v8::Local<v8::Function> done);

 private:
  CopyJob(Environment& environment, Mapping* dst, Mapping* src, std::vector<RectCopy> copies, int file,
          v8::Local<v8::Function> done);
  ~CopyJob();
  static void Work(uv_work_t* request);
  static void Done(uv_work_t* request, int status);

  Environment& environment_;
  Mapping* const dst_;
  Mapping* const src_;
  const std::vector<RectCopy> copies_;
  const int file_;
  uint64_t copied_ = 0;
  Nan::Persistent<v8::Function> done_;
  Nan::AsyncResource resource_;
  uv_work_t request_;
};

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_COPY_JOB_H_
