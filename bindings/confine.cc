#include "confine.h"

#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

#include "arguments.h"
#include "environment.h"
#include "errors.h"

namespace virtwl {

namespace {

/** The most instructions that the kernel takes: BPF_MAXINSNS of linux/bpf_common.h. */
constexpr size_t kMaxInstructions = 4096;

/** RLIM_NLIMITS: resources are numbered below it. */
constexpr uint64_t kResources = RLIM_NLIMITS;

static_assert(sizeof(sock_filter) == 8, "src/sandbox/seccomp.ts writes instructions of 8 bytes");

NAN_METHOD(SetResourceLimit) {
  const Arguments arguments("setResourceLimit", info);
  uint64_t resource = 0;
  uint64_t value = 0;
  if (!arguments.Integer(0, "resource", 0, kResources - 1, &resource) ||
      !arguments.Integer(1, "limit", 0, kMaxSafeInteger, &value)) {
    return;
  }
  const rlimit limit{value, value};
  if (setrlimit(static_cast<__rlimit_resource_t>(resource), &limit) < 0) ThrowSystemError(errno, "setrlimit");
}

NAN_METHOD(InstallFilter) {
  const Arguments arguments("installFilter", info);
  Bytes program;
  if (!arguments.WritableBytes(0, "program", &program)) return;
  const size_t count = program.length() / sizeof(sock_filter);
  if (program.length() % sizeof(sock_filter) != 0 || count > kMaxInstructions) {
    return arguments.ThrowRange("program", "1 to 4096 instructions of 8 bytes");
  }
  // An instruction needs an alignment that a Uint8Array does not promise.
  std::vector<sock_filter> instructions(count);
  std::memcpy(instructions.data(), program.data(), program.length());
  const sock_fprog filter{static_cast<unsigned short>(count), instructions.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return ThrowSystemError(errno, "prctl");
  // Every thread of Node.js must be under it, not only this one.
  const long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
  if (result == 0) return;
  // A positive result is a thread that could not be brought under the filter.
  ThrowSystemError(result < 0 ? errno : EAGAIN, "seccomp");
}

NAN_METHOD(CloseOnExecFrom) {
  const Arguments arguments("closeOnExecFrom", info);
  int fd;
  if (!arguments.Fd(0, "fd", &fd)) return;
  if (syscall(SYS_close_range, static_cast<unsigned>(fd), ~0U, CLOSE_RANGE_CLOEXEC) < 0) {
    ThrowSystemError(errno, "close_range");
  }
}

NAN_METHOD(NewSession) {
  if (setsid() < 0) ThrowSystemError(errno, "setsid");
}

NAN_METHOD(DieWithParent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) ThrowSystemError(errno, "prctl");
}

}  // namespace

void InitializeConfine(Environment& environment, v8::Local<v8::Object> target) {
  v8::Local<v8::Value> data = environment.Data();
  Nan::SetMethod(target, "setResourceLimit", SetResourceLimit, data);
  Nan::SetMethod(target, "installFilter", InstallFilter, data);
  Nan::SetMethod(target, "closeOnExecFrom", CloseOnExecFrom, data);
  Nan::SetMethod(target, "newSession", NewSession, data);
  Nan::SetMethod(target, "dieWithParent", DieWithParent, data);
}

}  // namespace virtwl
