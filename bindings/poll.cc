#include "poll.h"

#include <cerrno>

#include "arguments.h"
#include "environment.h"
#include "errors.h"

namespace virtwl {

namespace {

/** Internal fields of a JavaScript Poll. The callback is here, where the garbage collector sees who refers to whom. */
enum Field { kNative, kCallback, kFieldCount };

constexpr uint64_t kAllEvents = UV_READABLE | UV_WRITABLE | UV_DISCONNECT;

}  // namespace

PollObject::PollObject(Environment& environment, v8::Local<v8::Object> object, int fd)
    : environment_(environment), resource_("virtwl:Poll", object), fd_(fd) {}

PollObject::~PollObject() = default;

int PollObject::Create(Environment& environment, v8::Local<v8::Object> object, int fd) {
  // Two handles on one descriptor make libuv abort when the first goes.
  if (environment.watched.count(fd) > 0) return UV_EEXIST;
  PollObject* poll = new PollObject(environment, object, fd);
  const int error = uv_poll_init(Nan::GetCurrentEventLoop(), &poll->handle_, fd);
  if (error < 0) {
    // libuv has not taken the handle up: there is nothing to close.
    delete poll;
    return error;
  }
  poll->handle_.data = poll;
  poll->object_.Reset(v8::Isolate::GetCurrent(), object);
  poll->object_.SetWeak(poll, Collected, v8::WeakCallbackType::kParameter);
  object->SetAlignedPointerInInternalField(kNative, poll);
  poll->next_ = environment.polls;
  if (poll->next_ != nullptr) poll->next_->previous_ = poll;
  environment.polls = poll;
  environment.watched[fd] = poll;
  return 0;
}

int PollObject::Start(int events) {
  if (events == events_) return 0;
  if (events == 0) {
    Stop();
    return 0;
  }
  const int error = uv_poll_start(&handle_, events, Ready);
  if (error < 0) return error;
  events_ = events;
  object_.ClearWeak();
  return 0;
}

void PollObject::Stop() {
  if (events_ == 0) return;
  events_ = 0;
  uv_poll_stop(&handle_);
  object_.SetWeak(this, Collected, v8::WeakCallbackType::kParameter);
}

void PollObject::Close() {
  if (!object_.IsEmpty()) {
    object_.Get(v8::Isolate::GetCurrent())->SetAlignedPointerInInternalField(kNative, nullptr);
    object_.Reset();
  }
  if (next_ != nullptr) next_->previous_ = previous_;
  if (previous_ != nullptr) {
    previous_->next_ = next_;
  } else {
    environment_.polls = next_;
  }
  environment_.watched.erase(fd_);
  intake_.reset();
  environment_.closingHandles++;
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_), Closed);
}

void PollObject::Closed(uv_handle_t* handle) {
  PollObject* poll = static_cast<PollObject*>(handle->data);
  Environment& environment = poll->environment_;
  Nan::HandleScope scope;
  delete poll;
  environment.HandleClosed();
}

void PollObject::Collected(const v8::WeakCallbackInfo<PollObject>& info) {
  PollObject* poll = info.GetParameter();
  poll->object_.Reset();
  poll->Close();
}

void PollObject::SetReferenced(bool referenced) {
  uv_handle_t* handle = reinterpret_cast<uv_handle_t*>(&handle_);
  if (referenced) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
}

void PollObject::Ready(uv_poll_t* handle, int status, int events) {
  PollObject* poll = static_cast<PollObject*>(handle->data);
  if (status == 0 && events == UV_READABLE && poll->events_ == UV_READABLE && poll->intake_ != nullptr) {
    // Keeps it for the time of the call.
    const std::shared_ptr<Intake> intake = poll->intake_;
    if (intake->Take()) return;
  }
  Nan::HandleScope scope;
  v8::Local<v8::Object> object = poll->object_.Get(v8::Isolate::GetCurrent());
  // libuv has stopped the watch after an error.
  if (status < 0) poll->Stop();
  v8::Local<v8::Value> arguments[] = {Nan::New(status < 0 ? 0 : events), Nan::New(status)};
  v8::Local<v8::Function> callback = object->GetInternalField(kCallback).As<v8::Value>().As<v8::Function>();
  // An exception in there has become an uncaughtException when this returns. The callback may have closed the poll;
  // the native half stays until libuv's own close callback.
  poll->resource_.runInAsyncScope(object, callback, 2, arguments);
}

namespace {

/** The poll that a method was called on, null when it is closed. V8 has checked the receiver against the template. */
PollObject* Receiver(const Nan::FunctionCallbackInfo<v8::Value>& info) {
  return static_cast<PollObject*>(info.This()->GetAlignedPointerFromInternalField(kNative));
}

NAN_METHOD(ConstructPoll) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("Poll", info);
  int fd;
  v8::Local<v8::Function> callback;
  if (!info.IsConstructCall()) return Nan::ThrowTypeError("Poll: must be called with new");
  if (!arguments.Fd(0, "fd", &fd) || !arguments.Function(1, "callback", &callback)) return;
  info.This()->SetAlignedPointerInInternalField(kNative, nullptr);
  info.This()->SetInternalField(kCallback, callback);
  const int error = PollObject::Create(environment, info.This(), fd);
  if (error < 0) return ThrowFdError(-error, "uv_poll_init", fd);
  info.GetReturnValue().Set(info.This());
}

NAN_METHOD(Start) {
  const Arguments arguments("Poll.start", info);
  uint64_t events = 0;
  if (!arguments.Integer(0, "events", 0, kAllEvents, &events)) return;
  PollObject* poll = Receiver(info);
  if (poll == nullptr) return Nan::ThrowError("Poll.start: the poll was closed");
  const int error = poll->Start(static_cast<int>(events));
  if (error < 0) ThrowFdError(-error, "uv_poll_start", poll->fd());
}

NAN_METHOD(Stop) {
  PollObject* poll = Receiver(info);
  if (poll == nullptr) return Nan::ThrowError("Poll.stop: the poll was closed");
  poll->Stop();
}

NAN_METHOD(Close) {
  PollObject* poll = Receiver(info);
  if (poll != nullptr) poll->Close();
}

NAN_METHOD(Ref) {
  PollObject* poll = Receiver(info);
  if (poll == nullptr) return Nan::ThrowError("Poll.ref: the poll was closed");
  poll->SetReferenced(true);
}

NAN_METHOD(Unref) {
  PollObject* poll = Receiver(info);
  if (poll == nullptr) return Nan::ThrowError("Poll.unref: the poll was closed");
  poll->SetReferenced(false);
}

}  // namespace

void InitializePoll(Environment& environment, v8::Local<v8::Object> target) {
  v8::Local<v8::Value> data = environment.Data();
  v8::Local<v8::FunctionTemplate> type = Nan::New<v8::FunctionTemplate>(ConstructPoll, data);
  type->SetClassName(Nan::New("Poll").ToLocalChecked());
  type->InstanceTemplate()->SetInternalFieldCount(kFieldCount);
  Nan::SetPrototypeMethod(type, "start", Start, data);
  Nan::SetPrototypeMethod(type, "stop", Stop, data);
  Nan::SetPrototypeMethod(type, "close", Close, data);
  Nan::SetPrototypeMethod(type, "ref", Ref, data);
  Nan::SetPrototypeMethod(type, "unref", Unref, data);
  environment.pollTemplate.Reset(type);
  Nan::Set(target, Nan::New("Poll").ToLocalChecked(), Nan::GetFunction(type).ToLocalChecked()).Check();
}

}  // namespace virtwl
