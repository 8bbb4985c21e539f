/**
 * A tmpfs that is mounted nowhere: fsopen, fsconfig and fsmount make it, and only its descriptor holds it. To mount
 * takes CAP_SYS_ADMIN over the mount namespace. A process without it lets a child do this, in a user and mount
 * namespace of the child's own, and gets the descriptor back over a socket; the namespaces end with the child, the
 * tmpfs does not.
 */
#include "tmpfs.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "arguments.h"
#include "environment.h"
#include "errors.h"

namespace virtwl {

namespace {

/** Where the making of a tmpfs failed; the child reports it as a number. */
enum class Step : int { kSocketpair, kFork, kUnshare, kIdMap, kFsopen, kFsconfig, kFsmount, kSend, kReceive };

const char* StepName(Step step) {
  switch (step) {
    case Step::kSocketpair:
      return "socketpair";
    case Step::kFork:
      return "fork";
    case Step::kUnshare:
      return "unshare";
    case Step::kIdMap:
      return "write /proc/self/uid_map";
    case Step::kFsopen:
      return "fsopen";
    case Step::kFsconfig:
      return "fsconfig";
    case Step::kFsmount:
      return "fsmount";
    case Step::kSend:
      return "sendmsg";
    case Step::kReceive:
      return "recvmsg";
  }
  return "fsmount";
}

/** A descriptor, or the errno and step of the failure. */
struct Outcome {
  int fd = -1;
  int error = 0;
  Step step = Step::kFsmount;
};

Outcome Failure(Step step) {
  Outcome outcome;
  outcome.error = errno;
  outcome.step = step;
  return outcome;
}

/** Texts for the kernel, written before fork(): the child must not format anything. */
struct Parameters {
  char size[24];
  char inodes[24];
  char uidMap[32];
  char gidMap[32];
};

long FsConfig(int fs, unsigned command, const char* key, const char* value) {
  return syscall(SYS_fsconfig, fs, command, key, value, 0);
}

/** Makes the tmpfs in the current namespaces. Async-signal-safe: the child of a process with threads runs it. */
Outcome MountTmpfs(const Parameters& parameters) {
  const int fs = static_cast<int>(syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC));
  if (fs < 0) return Failure(Step::kFsopen);
  // Pages of 2 MiB where all of one lies within a file: a frame costs one fault then, where it costs hundreds else. A
  // kernel without them refuses the option, and the tmpfs is as good otherwise.
  FsConfig(fs, FSCONFIG_SET_STRING, "huge", "within_size");
  Outcome outcome;
  if (FsConfig(fs, FSCONFIG_SET_STRING, "size", parameters.size) < 0 ||
      FsConfig(fs, FSCONFIG_SET_STRING, "nr_inodes", parameters.inodes) < 0 ||
      FsConfig(fs, FSCONFIG_SET_STRING, "mode", "700") < 0 || FsConfig(fs, FSCONFIG_CMD_CREATE, nullptr, nullptr) < 0) {
    outcome = Failure(Step::kFsconfig);
  } else {
    outcome.fd = static_cast<int>(
        syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
    if (outcome.fd < 0) outcome = Failure(Step::kFsmount);
  }
  close(fs);
  return outcome;
}

bool WriteFile(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const size_t length = std::strlen(text);
  const ssize_t written = write(fd, text, length);
  const int saved = errno;
  close(fd);
  errno = saved;
  return written == static_cast<ssize_t>(length);
}

/** A message of one Outcome, with the descriptor beside it when there is one. */
struct OutcomeMessage {
  explicit OutcomeMessage(Outcome* outcome) {
    vector = {outcome, sizeof *outcome};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }

  iovec vector;
  msghdr header = {};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
};

/** What the child does. Only async-signal-safe calls from here on. */
[[noreturn]] void RunChild(int channel, const Parameters& parameters) {
  Outcome outcome;
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
    outcome = Failure(Step::kUnshare);
  } else if (!WriteFile("/proc/self/setgroups", "deny") || !WriteFile("/proc/self/uid_map", parameters.uidMap) ||
             !WriteFile("/proc/self/gid_map", parameters.gidMap)) {
    // Files in the tmpfs belong to the user who makes them, so the namespace must know this one user and group.
    outcome = Failure(Step::kIdMap);
  } else {
    outcome = MountTmpfs(parameters);
  }
  OutcomeMessage message(&outcome);
  if (outcome.fd >= 0) {
    cmsghdr* header = CMSG_FIRSTHDR(&message.header);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &outcome.fd, sizeof(int));
  } else {
    message.header.msg_control = nullptr;
    message.header.msg_controllen = 0;
  }
  _exit(sendmsg(channel, &message.header, MSG_NOSIGNAL) < 0 ? 1 : 0);
}

Outcome ReceiveOutcome(int channel) {
  Outcome outcome;
  OutcomeMessage message(&outcome);
  ssize_t received;
  do {
    received = recvmsg(channel, &message.header, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return Failure(Step::kReceive);
  if (received != static_cast<ssize_t>(sizeof outcome)) {
    // The child was killed before it could say anything.
    errno = ECHILD;
    return Failure(Step::kReceive);
  }
  outcome.fd = -1;
  const cmsghdr* header = CMSG_FIRSTHDR(&message.header);
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS) std::memcpy(&outcome.fd, CMSG_DATA(header), sizeof(int));
  if (outcome.fd < 0 && outcome.error == 0) {
    errno = EMFILE;
    return Failure(Step::kReceive);
  }
  return outcome;
}

Outcome MountTmpfsInChild(const Parameters& parameters) {
  int channel[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0) return Failure(Step::kSocketpair);

  // The child inherits libuv's signal handlers, which write to pipes that it shares with us: no signal may reach them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t child = fork();
  if (child == 0) RunChild(channel[1], parameters);
  const int forkError = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  close(channel[1]);
  if (child < 0) {
    close(channel[0]);
    errno = forkError;
    return Failure(Step::kFork);
  }

  const Outcome outcome = ReceiveOutcome(channel[0]);
  close(channel[0]);
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return outcome;
}

NAN_METHOD(CreateTmpfs) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("createTmpfs", info);
  uint64_t size = 0;
  const uint64_t pageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (!arguments.Integer(0, "size", pageSize, kMaxSafeInteger, &size)) return;
  if (size % pageSize != 0) return arguments.ThrowRange("size", "a multiple of the page size");

  Parameters parameters;
  // Every file with memory in it holds a page at least, so this many inodes never run out before the memory does; 1,024
  // more are for files that are just being made. Inodes take the kernel's own memory, hence the bound.
  const unsigned long long inodes = size / pageSize + 1024;
  std::snprintf(parameters.size, sizeof parameters.size, "%llu", static_cast<unsigned long long>(size));
  std::snprintf(parameters.inodes, sizeof parameters.inodes, "%llu", inodes);
  std::snprintf(parameters.uidMap, sizeof parameters.uidMap, "%u %u 1", geteuid(), geteuid());
  std::snprintf(parameters.gidMap, sizeof parameters.gidMap, "%u %u 1", getegid(), getegid());

  Outcome outcome = MountTmpfs(parameters);
  if (outcome.fd < 0 && outcome.error == EPERM) outcome = MountTmpfsInChild(parameters);
  if (outcome.fd < 0) {
    ErrorDetails details;
    if (outcome.error == EPERM || outcome.error == EACCES || outcome.error == ENOSPC) {
      details.advice =
          "a private tmpfs needs CAP_SYS_ADMIN or user namespaces (user.max_user_namespaces, "
          "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)";
    } else if (outcome.error == ENOSYS) {
      details.advice = "a private tmpfs needs Linux 5.2";
    }
    return ThrowSystemError(outcome.error, StepName(outcome.step), details);
  }
  environment.counters.fdsOpened++;
  info.GetReturnValue().Set(outcome.fd);
}

}  // namespace

void InitializeTmpfs(Environment& environment, v8::Local<v8::Object> target) {
  Nan::SetMethod(target, "createTmpfs", CreateTmpfs, environment.Data());
}

}  // namespace virtwl
