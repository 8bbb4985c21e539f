/**
 * The native pass of a relay: a batch that comes in at one socket goes out at the other without JavaScript, where all
 * of it passes (message_pass.h). What it does is documented in src/system/native.ts.
 */
#ifndef VIRTWL_BINDINGS_PASS_H_
#define VIRTWL_BINDINGS_PASS_H_

#include <nan.h>

namespace virtwl {

class Environment;

void InitializePass(Environment& environment, v8::Local<v8::Object> target);

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_PASS_H_
