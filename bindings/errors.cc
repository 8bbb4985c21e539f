#include "errors.h"

#include <nan.h>
#include <uv.h>

#include <string>

#include "joined.h"

namespace virtwl {

namespace {

v8::Local<v8::String> Text(const std::string& text) { return Nan::New(text).ToLocalChecked(); }

}  // namespace

void ThrowSystemError(int error, const char* syscall, const ErrorDetails& details) {
  // libuv's names and sentences, because they are the ones in Node.js's own errors.
  const int uvError = uv_translate_sys_error(error);
  char name[64];
  char sentence[128];
  uv_err_name_r(uvError, name, sizeof name);
  uv_strerror_r(uvError, sentence, sizeof sentence);

  std::string message = std::string(name) + ": " + sentence + ", " + syscall;
  if (details.path != nullptr) message += std::string(" '") + details.path + "'";
  if (details.fd >= 0) message += Joined({" (fd ", std::to_string(details.fd), ")"});
  if (details.advice != nullptr) message += std::string("; ") + details.advice;

  v8::Local<v8::Object> object = Nan::Error(Text(message)).As<v8::Object>();
  Nan::Set(object, Text("errno"), Nan::New(error)).Check();
  Nan::Set(object, Text("code"), Text(name)).Check();
  Nan::Set(object, Text("syscall"), Text(syscall)).Check();
  if (details.path != nullptr) Nan::Set(object, Text("path"), Text(details.path)).Check();
  Nan::ThrowError(object.As<v8::Value>());
}

void ThrowFdError(int error, const char* syscall, int fd) {
  ErrorDetails details;
  details.fd = fd;
  ThrowSystemError(error, syscall, details);
}

}  // namespace virtwl
