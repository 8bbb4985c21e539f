/**
 * Errors of system calls, made in one place so that all of them look like Node.js's own: `code` ('ENOENT'), `errno`
 * (2), `syscall` ('connect') and, where there is one, `path`.
 */
#ifndef VIRTWL_BINDINGS_ERRORS_H_
#define VIRTWL_BINDINGS_ERRORS_H_

namespace virtwl {

/** What a failed call was done on, for the message. Leave out what does not apply. */
struct ErrorDetails {
  const char* path = nullptr;
  int fd = -1;
  /** What the user can do about it, as a sentence without full stop. */
  const char* advice = nullptr;
};

/** Throws the JavaScript Error for `error`, a positive errno, of `syscall`. */
void ThrowSystemError(int error, const char* syscall, const ErrorDetails& details = {});

/** As above, for a call on a file descriptor. */
void ThrowFdError(int error, const char* syscall, int fd);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_ERRORS_H_
