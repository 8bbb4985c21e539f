/**
 * Readiness of one descriptor through the event loop (uv_poll_t). A watch that is started keeps its JavaScript object
 * alive; one that is stopped ends with it. The libuv handle outlives the object until libuv has closed it.
 *
 * What a Poll and its methods do is documented in src/system/native.ts.
 */
#ifndef VIRTWL_BINDINGS_POLL_H_
#define VIRTWL_BINDINGS_POLL_H_

#include <nan.h>
#include <uv.h>

#include <memory>
#include <utility>

namespace virtwl {

class Environment;

/** Reads a descriptor that is readable, before JavaScript is asked to. */
class Intake {
 public:
  virtual ~Intake() = default;
  /** Whether that was all that there was to do. */
  virtual bool Take() = 0;
};

/** The native half of a JavaScript Poll. It frees itself when libuv has closed the handle. */
class PollObject {
 public:
  /** 0 and a new object tied to `object`, or the (negative) error of libuv. */
  static int Create(Environment& environment, v8::Local<v8::Object> object, int fd);
  PollObject(const PollObject&) = delete;
  PollObject& operator=(const PollObject&) = delete;

  int fd() const { return fd_; }
  /** Replaces the events asked for; 0 stops. 0 or an error of libuv. */
  int Start(int events);
  void Stop();
  /** Unties the JavaScript object, and lets libuv close the handle. */
  void Close();
  void SetReferenced(bool referenced);
  /** Asked before JavaScript is when the descriptor is readable, and nothing else was waited for; null: nobody. */
  void SetIntake(std::shared_ptr<Intake> intake) { intake_ = std::move(intake); }

 private:
  PollObject(Environment& environment, v8::Local<v8::Object> object, int fd);
  ~PollObject();
  static void Ready(uv_poll_t* handle, int status, int events);
  static void Closed(uv_handle_t* handle);
  static void Collected(const v8::WeakCallbackInfo<PollObject>& info);

  Environment& environment_;
  uv_poll_t handle_;
  /** Weak while stopped. Empty once closed. */
  v8::Global<v8::Object> object_;
  Nan::AsyncResource resource_;
  const int fd_;
  /** What is watched now; 0 while stopped. */
  int events_ = 0;
  std::shared_ptr<Intake> intake_;
  PollObject* previous_ = nullptr;
  PollObject* next_ = nullptr;
};

void InitializePoll(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_POLL_H_
