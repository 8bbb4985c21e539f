/**
 * Unix stream sockets that carry descriptors: one function per system call.
 * What each function does is documented in src/system/native.ts.
 */
#ifndef VIRTWL_BINDINGS_SOCKET_H_
#define VIRTWL_BINDINGS_SOCKET_H_

#include <nan.h>

namespace virtwl {

class Environment;

void InitializeSockets(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_SOCKET_H_
