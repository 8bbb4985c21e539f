#include "environment.h"

#include <unistd.h>
#include <cerrno>

#include "mapping.h"
#include "poll.h"
#include "rect_copy.h"

namespace virtwl {

Environment* Environment::Create(v8::Isolate* isolate) {
  Environment* environment = new Environment();
  environment->hook_ = node::AddEnvironmentCleanupHook(isolate, CleanUp, environment);
  return environment;
}

Environment::~Environment() {
  mappingTemplate.Reset();
  pollTemplate.Reset();
  detachKey.Reset();
  markAsUntransferable.Reset();
}

void Environment::CloseFd(int fd) {
  const int saved = errno;
  gpuChannels.erase(fd);
  close(fd);
  counters.fdsClosed++;
  errno = saved;
}

void Environment::CleanUp(void* self, void (*done)(void*), void* doneData) {
  Environment* environment = static_cast<Environment*>(self);
  environment->done_ = done;
  environment->doneData_ = doneData;
  // One more than there are, so that the end comes after both loops even when nothing is left to close.
  environment->closingHandles++;
  Nan::HandleScope scope;
  while (environment->polls != nullptr) environment->polls->Close();
  while (environment->mappings != nullptr) environment->mappings->EndWithEnvironment();
  environment->HandleClosed();
}

void Environment::HandleClosed() {
  closingHandles--;
  if (done_ == nullptr || closingHandles > 0) return;
  void (*done)(void*) = done_;
  void* doneData = doneData_;
  delete this;
  done(doneData);
}

}  // namespace virtwl
