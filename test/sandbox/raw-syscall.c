/*
 * System calls by their numbers, for a process that tries to get out of its sandbox: Node.js has no function for most
 * of them, and the C library would get in the way of the rest. A native module, loaded before the sandbox closes.
 *
 *   call(number, ...arguments)  up to six integers; the result, or the negative errno
 *   foreign()                   a call of the 32-bit table, of which a filter must know nothing; x86 only
 *   numbers                     numbers by name, of those calls that this machine's kernel headers have
 *
 * Node-API is declared here as far as it is used, so that no headers of Node.js are needed. It is stable.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef void *napi_env, *napi_value, *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
int napi_get_cb_info(napi_env, napi_callback_info, size_t*, napi_value*, napi_value*, void**);
int napi_get_value_bigint_int64(napi_env, napi_value, int64_t*, bool*);
int napi_create_int64(napi_env, int64_t, napi_value*);
int napi_create_object(napi_env, napi_value*);
int napi_create_function(napi_env, const char*, size_t, napi_callback, void*, napi_value*);
int napi_set_named_property(napi_env, napi_value, const char*, napi_value);

#define MOST_ARGUMENTS 7

static napi_value integer(napi_env env, int64_t value) {
  napi_value result = NULL;
  napi_create_int64(env, value, &result);
  return result;
}

static napi_value call(napi_env env, napi_callback_info info) {
  size_t count = MOST_ARGUMENTS;
  napi_value given[MOST_ARGUMENTS];
  int64_t n[MOST_ARGUMENTS] = {0};
  bool lossless;
  napi_get_cb_info(env, info, &count, given, NULL, NULL);
  for (size_t i = 0; i < count && i < MOST_ARGUMENTS; i++) napi_get_value_bigint_int64(env, given[i], &n[i], &lossless);
  const pid_t before = getpid();
  errno = 0;
  const long result = syscall(n[0], n[1], n[2], n[3], n[4], n[5], n[6]);
  const int error = errno;
  /* A fork that worked: the child has nothing to do here. */
  if (getpid() != before) _exit(0);
  return integer(env, result == -1 && error != 0 ? -(int64_t)error : (int64_t)result);
}

static napi_value foreign(napi_env env, napi_callback_info info) {
  (void)info;
  long result = -ENOSYS;
#ifdef __x86_64__
  /* getpid of the i386 table, by its gate. */
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
#endif
  return integer(env, result);
}

struct named {
  const char* name;
  long number;
};

#define N(name) {#name, SYS_##name},
static const struct named named[] = {
#ifdef SYS_fork
    N(fork) N(vfork)
#endif
        N(clone) N(clone3) N(execve) N(execveat) N(ptrace) N(process_vm_readv) N(process_vm_writev) N(kill) N(tkill)
            N(rt_sigqueueinfo) N(pidfd_open) N(pidfd_getfd) N(pidfd_send_signal) N(kcmp) N(mount) N(umount2)
                N(pivot_root) N(chroot) N(unshare) N(setns) N(fsopen) N(fsmount) N(open_tree) N(move_mount)
                    N(mount_setattr) N(swapon) N(sethostname) N(reboot) N(kexec_load) N(init_module) N(finit_module)
                        N(delete_module) N(acct) N(syslog) N(clock_settime) N(settimeofday) N(personality) N(keyctl)
                            N(add_key) N(request_key) N(bpf) N(perf_event_open) N(userfaultfd) N(io_uring_setup)
                                N(io_uring_enter) N(io_uring_register) N(seccomp) N(fanotify_init) N(inotify_init1)
                                    N(open_by_handle_at) N(name_to_handle_at) N(setuid) N(setgid) N(setresuid)
                                        N(setgroups) N(capset) N(prctl) N(setrlimit) N(prlimit64) N(setpriority)
                                            N(sched_setscheduler) N(sched_setaffinity) N(setsid) N(mknodat) N(linkat)
                                                N(symlinkat) N(renameat2) N(mkdirat) N(fchmodat) N(fchownat) N(setxattr)
                                                    N(openat2) N(truncate) N(shmget) N(msgget) N(semget) N(mq_open)
                                                        N(timer_create) N(signalfd4) N(memfd_secret) N(mlockall)
                                                            N(socket) N(socketpair) N(ioctl) N(recvmmsg) N(sendmmsg)};

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  napi_value value = NULL;
  napi_create_function(env, "call", (size_t)-1, call, NULL, &value);
  napi_set_named_property(env, exports, "call", value);
  napi_create_function(env, "foreign", (size_t)-1, foreign, NULL, &value);
  napi_set_named_property(env, exports, "foreign", value);
  napi_value numbers = NULL;
  napi_create_object(env, &numbers);
  for (size_t i = 0; i < sizeof named / sizeof *named; i++)
    napi_set_named_property(env, numbers, named[i].name, integer(env, named[i].number));
  napi_set_named_property(env, exports, "numbers", numbers);
  return exports;
}
