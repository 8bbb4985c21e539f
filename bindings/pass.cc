#include "pass.h"

#include <sys/socket.h>

#include <cerrno>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "arguments.h"
#include "environment.h"
#include "errors.h"
#include "gpu_channel.h"
#include "mapping.h"
#include "message_pass.h"
#include "poll.h"
#include "socket.h"
#include "virtwl.h"

namespace virtwl {

namespace {

constexpr size_t kWays = 2;
/** Most bytes of one send. A transaction of a context has less. */
constexpr uint64_t kMostAtOnce = 1 << 20;

/** In kRequestTaken or kEventTaken: nothing was received; and: ask passTake(). Over that, bytes. */
constexpr int32_t kNothing = -1;
constexpr int32_t kAsk = -2;

/** What is behind a descriptor: a socket, a context of /dev/wl0, or one of virtio_gpu. */
enum Carrier : uint64_t { kSocket, kContext, kGpuChannel, kCarriers };

/** A descriptor at one end of a connection. */
struct End {
  int fd = -1;
  uint64_t carrier = kSocket;
  /** Of kGpuChannel. */
  std::shared_ptr<GpuChannel> channel;

  /** As ReceiveFrom() has it; ENOMSG where a message waits that is not read here. */
  int Receive(Environment& environment, uint8_t* data, size_t length, FdList* fds, size_t* received) const {
    if (carrier == kSocket) return ReceiveFrom(environment, fd, data, length, fds, received);
    if (carrier == kContext) return ReceiveTransaction(environment, fd, data, length, fds, received);
    return channel->Receive(environment, data, length, received);
  }
  /** Bytes sent, or -1. */
  ssize_t Send(Environment& environment, const uint8_t* data, size_t length) const {
    if (carrier == kSocket) return SendTo(environment, fd, data, length);
    if (carrier == kContext) return SendTransaction(environment, fd, data, length, FdList());
    return channel->Send(environment, data, length);
  }
  void ThrowReceiveError(int error) const {
    if (carrier == kSocket) return virtwl::ThrowReceiveError(error, fd);
    return ThrowFdError(error, carrier == kContext ? "ioctl(VIRTWL_IOCTL_RECV)" : "read", fd);
  }
};

/** One way of a connection: from the descriptor that is polled to another. */
class Way : public Intake {
 public:
  Way(Environment& environment, std::shared_ptr<MessagePass> pass, bool requests)
      : environment_(environment), pass_(std::move(pass)), requests_(requests) {}
  Way(const Way&) = delete;
  Way& operator=(const Way&) = delete;
  ~Way() override {
    for (size_t i = 0; i < fds_.count; i++) environment_.CloseFd(fds_.fds[i]);
  }

  void Connect(End from, End to, size_t most, Shared<uint8_t> buffer) {
    from_ = std::move(from);
    to_ = std::move(to);
    most_ = most;
    buffer_ = std::move(buffer);
  }

  /** Nothing is taken any more. */
  void Disconnect() { from_.fd = -1; }

  bool Take() override {
    const Shared<int32_t>& words = pass_->words();
    if (from_.fd < 0 || !Open(words) || pending_) return false;
    const size_t first = requests_ ? kRequestTaken : kEventTaken;
    error_ = from_.Receive(environment_, &buffer_[0], buffer_.length(), &fds_, &length_);
    if (error_ == EAGAIN) return true;
    if (error_ == ENOMSG) return false;
    words[first + 1] = 0;
    words[first + 2] = 0;
    words[first] = static_cast<int32_t>(length_);
    if (error_ != 0 || fds_.count > 0) {
      pending_ = true;
      words[first] = kAsk;
      return false;
    }
    size_t passed = requests_ ? pass_->Requests(&buffer_[0], length_) : pass_->Events(&buffer_[0], length_);
    CountCopies();
    size_t at = pass_->dropped();
    words[first + 1] = static_cast<int32_t>(passed);
    words[first + 2] = static_cast<int32_t>(at);
    if (passed < length_ || passed == 0) return false;
    // As TypeScript does at the end of a batch: with what is said to the client goes which of its buffers are free.
    const size_t releases = pass_->ReleaseBytes();
    const bool telling = !requests_ && passed > at;
    if (releases > 0 && !telling && !pass_->ReleasesMayWait()) return false;
    const size_t more = telling ? releases : 0;
    if (passed - at + more > most_ || buffer_.length() - passed < more) return false;
    if (more > 0) {
      pass_->TellReleases(&buffer_[passed]);
      passed += more;
      words[first] = words[first + 1] = static_cast<int32_t>(passed);
    }
    if (passed > at) {
      const ssize_t sent = to_.Send(environment_, &buffer_[at], passed - at);
      // What is wrong with the other side, its own channel finds out.
      if (sent > 0) words[first + 2] = static_cast<int32_t>(at + static_cast<size_t>(sent));
      if (sent < 0 || static_cast<size_t>(sent) < passed - at) return false;
    }
    words[first] = kNothing;
    words[first + 1] = 0;
    words[kBatches] = static_cast<int32_t>((static_cast<uint32_t>(words[kBatches]) + 1) & INT32_MAX);
    return true;
  }

  /** What was received with fds, or could not be: throws, or returns the bytes. */
  void Deliver(const Nan::FunctionCallbackInfo<v8::Value>& info, v8::Local<v8::Array> array) {
    if (!pending_) return Nan::ThrowError("passTake: there is nothing to be taken");
    pending_ = false;
    const FdList fds = fds_;
    fds_.count = 0;
    if (error_ != 0) return from_.ThrowReceiveError(error_);
    if (!DeliverFds(environment_, "passTake", array, fds.fds, fds.count)) return;
    info.GetReturnValue().Set(static_cast<double>(length_));
  }

 private:
  bool Open(const Shared<int32_t>& words) const {
    if (words[requests_ ? kRequestFlow : kEventFlow] != 0 || (requests_ && words[kAwaited] != 0)) return false;
    for (size_t i = kToServerHolds; i <= kToClientBusy; i++) {
      if (words[i] != 0) return false;
    }
    return !requests_ || words[kHolding] == 0;
  }

  void CountCopies() {
    FrameCopies* copies = pass_->copies();
    if (copies == nullptr || !requests_) return;
    const FrameCopies::Copied copied = copies->TakeCopied();
    environment_.counters.copies += copied.copies;
    environment_.counters.bytesCopied += copied.bytes;
  }

  Environment& environment_;
  const std::shared_ptr<MessagePass> pass_;
  const bool requests_;
  End from_;
  End to_;
  size_t most_ = 0;
  Shared<uint8_t> buffer_;
  FdList fds_;
  int error_ = 0;
  size_t length_ = 0;
  bool pending_ = false;
};

/** Numbers of a typed array; false, after throwing, for what is none of at least `least`. */
template <typename View, typename T>
bool Numbers(const Arguments& arguments, v8::Local<v8::Value> value, bool fits, const char* name, size_t least,
             Shared<T>* numbers) {
  if (!fits) {
    arguments.ThrowType(name, "a typed array of the right kind");
    return false;
  }
  v8::Local<View> view = value.As<View>();
  const std::shared_ptr<v8::BackingStore> store = view->Buffer()->GetBackingStore();
  // Memory that can become smaller is no memory to keep.
  if (store == nullptr || store->IsShared() || store->IsResizableByUserJavaScript() || view->Length() < least ||
      view->ByteOffset() + view->ByteLength() > store->ByteLength()) {
    arguments.ThrowRange(name, "an array of fixed length that is long enough");
    return false;
  }
  T* data = reinterpret_cast<T*>(static_cast<uint8_t*>(store->Data()) + view->ByteOffset());
  *numbers = Shared<T>(store, data, view->Length());
  return true;
}

bool Words(const Arguments& arguments, v8::Local<v8::Value> value, const char* name, size_t least,
           Shared<int32_t>* words) {
  return Numbers<v8::Int32Array>(arguments, value, value->IsInt32Array(), name, least, words);
}

bool Doubles(const Arguments& arguments, v8::Local<v8::Value> value, const char* name, size_t least,
             Shared<double>* doubles) {
  return Numbers<v8::Float64Array>(arguments, value, value->IsFloat64Array(), name, least, doubles);
}

}  // namespace

/** Both ways of a connection. */
struct PassConnection {
  PassConnection(Environment& environment, Shared<int32_t> words, std::shared_ptr<PassTypes> types)
      : pass(std::make_shared<MessagePass>(std::move(words), std::move(types))),
        ways{std::make_shared<Way>(environment, pass, true), std::make_shared<Way>(environment, pass, false)} {}

  const std::shared_ptr<MessagePass> pass;
  const std::shared_ptr<Way> ways[kWays];
};

namespace {

/** The connection that is named by the first argument; null after throwing. */
PassConnection* Connection(Environment& environment, const Arguments& arguments) {
  uint64_t id = 0;
  if (!arguments.Integer(0, "pass", 1, UINT32_MAX, &id)) return nullptr;
  const auto found = environment.passes.find(static_cast<uint32_t>(id));
  if (found == environment.passes.end()) {
    arguments.ThrowRange("pass", "one that is open");
    return nullptr;
  }
  return found->second.get();
}

/** The types that are named by an argument; null after throwing. */
std::shared_ptr<PassTypes> Types(Environment& environment, const Arguments& arguments, int index) {
  uint64_t id = 0;
  if (!arguments.Integer(index, "types", 1, UINT32_MAX, &id)) return nullptr;
  const auto found = environment.passTypes.find(static_cast<uint32_t>(id));
  if (found != environment.passTypes.end()) return found->second;
  arguments.ThrowRange("types", "some that are open");
  return nullptr;
}

NAN_METHOD(OpenPassTypes) {
  Environment& environment = Environment::Of(info);
  const uint32_t id = ++environment.lastPassTypes;
  environment.passTypes[id] = std::make_shared<PassTypes>();
  info.GetReturnValue().Set(id);
}

NAN_METHOD(PassType) {
  const Arguments arguments("passType", info);
  const std::shared_ptr<PassTypes> types = Types(Environment::Of(info), arguments, 0);
  Shared<int32_t> description;
  if (types == nullptr || !Words(arguments, info[1], "description", 4, &description)) return;
  const uint32_t type = types->Add(&description[0], description.length());
  if (type == 0) return arguments.ThrowRange("description", "that of a type");
  info.GetReturnValue().Set(type);
}

/** Those that use them keep them. */
NAN_METHOD(ClosePassTypes) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("closePassTypes", info);
  uint64_t id = 0;
  if (Types(environment, arguments, 0) == nullptr || !arguments.Integer(0, "types", 1, UINT32_MAX, &id)) return;
  environment.passTypes.erase(static_cast<uint32_t>(id));
}

NAN_METHOD(OpenPass) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("openPass", info);
  Shared<int32_t> words;
  if (!Words(arguments, info[0], "words", kPassWords, &words)) return;
  std::shared_ptr<PassTypes> types = Types(environment, arguments, 1);
  uint64_t callbacks = 0;
  if (types == nullptr || !arguments.Integer(2, "callbacks", 0, UINT32_MAX, &callbacks)) return;
  const uint32_t id = ++environment.lastPass;
  auto connection = std::make_shared<PassConnection>(environment, std::move(words), std::move(types));
  connection->pass->SetCallbackType(static_cast<uint32_t>(callbacks));
  environment.passes[id] = std::move(connection);
  info.GetReturnValue().Set(id);
}

NAN_METHOD(PassRowsPage) {
  const Arguments arguments("passRows", info);
  PassConnection* connection = Connection(Environment::Of(info), arguments);
  uint64_t side = 0;
  uint64_t page = 0;
  Shared<int32_t> words;
  if (connection == nullptr || !arguments.Integer(1, "side", 0, 1, &side) ||
      !arguments.Integer(2, "page", 0, kMaxPages - 1, &page) ||
      !Words(arguments, info[3], "words", kPageRows * kRowWords, &words)) {
    return;
  }
  PassRows& rows = side == 0 ? connection->pass->client() : connection->pass->server();
  rows.SetPage(static_cast<size_t>(page), std::move(words));
}

NAN_METHOD(PassFree) {
  const Arguments arguments("passFree", info);
  PassConnection* connection = Connection(Environment::Of(info), arguments);
  Shared<int32_t> freeIds;
  if (connection == nullptr || !Words(arguments, info[1], "free", 0, &freeIds)) return;
  connection->pass->SetFree(std::move(freeIds));
}

NAN_METHOD(PassLedger) {
  const Arguments arguments("passLedger", info);
  PassConnection* connection = Connection(Environment::Of(info), arguments);
  Shared<double> vm;
  Shared<double> own;
  if (connection == nullptr || !Doubles(arguments, info[1], "vm", kLedgerEntries, &vm) ||
      !Doubles(arguments, info[2], "connection", kConnectionEntries, &own)) {
    return;
  }
  connection->pass->SetLedger(std::move(vm), std::move(own));
}

NAN_METHOD(PassCopies) {
  const Arguments arguments("passCopies", info);
  PassConnection* connection = Connection(Environment::Of(info), arguments);
  Shared<double> numbers;
  Shared<double> uses;
  if (connection == nullptr || !Doubles(arguments, info[1], "numbers", kCopyNumbers, &numbers) ||
      !Doubles(arguments, info[2], "uses", 1, &uses)) {
    return;
  }
  connection->pass->SetCopies(std::move(numbers), std::move(uses));
}

/** The connection, which copies frames; null after throwing. */
FrameCopies* Copies(Environment& environment, const Arguments& arguments) {
  PassConnection* connection = Connection(environment, arguments);
  if (connection == nullptr) return nullptr;
  FrameCopies* copies = connection->pass->copies();
  if (copies == nullptr) arguments.ThrowRange("pass", "one that copies frames");
  return copies;
}

/** What an array of Mappings has mapped, kept; false after throwing. The first `writable` ones can be written to. */
bool MappedPixels(Environment& environment, const Arguments& arguments, v8::Local<v8::Array> array, uint64_t writable,
                  std::vector<Pixels>* pixels) {
  for (uint32_t i = 0; i < array->Length(); i++) {
    v8::Local<v8::Value> value;
    if (!Nan::Get(array, i).ToLocal(&value)) return false;
    MappingObject* object = MappingObject::From(environment, value);
    Mapping* mapping = object == nullptr ? nullptr : object->mapping();
    if (mapping == nullptr || (i < writable && !mapping->writable())) {
      arguments.ThrowType("mappings", "an array of Mappings that are mapped, and writable where they are written to");
      return false;
    }
    mapping->Hold();
    Pixels each;
    each.owner = std::shared_ptr<void>(mapping, [](void* held) { static_cast<Mapping*>(held)->LetGo(); });
    each.address = mapping->address();
    each.length = mapping->length();
    each.guard = mapping->guard();
    pixels->push_back(std::move(each));
  }
  return true;
}

NAN_METHOD(PassLend) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("passLend", info);
  Shared<int32_t> words;
  uint64_t count = 0;
  uint64_t links = 0;
  v8::Local<v8::Array> array;
  if (!Words(arguments, info[1], "words", 1, &words) || !arguments.Integer(2, "count", 1, words.length(), &count) ||
      !arguments.Array(3, "mappings", &array) || !arguments.Integer(4, "links", 1, FrameCopies::kMostLinks, &links)) {
    return;
  }
  if (array->Length() > FrameCopies::kMostLinks + FrameCopies::kMostBuffers)
    return arguments.ThrowRange("mappings", "fewer");
  std::vector<Pixels> pixels;
  if (!MappedPixels(environment, arguments, array, links, &pixels)) return;
  // Not before: an element may be a getter, which can close the pass.
  FrameCopies* copies = Copies(environment, arguments);
  if (copies == nullptr) return;
  info.GetReturnValue().Set(copies->Lend(&words[0], static_cast<size_t>(count), pixels, static_cast<size_t>(links)));
}

NAN_METHOD(PassTakeBack) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("passTakeBack", info);
  FrameCopies* copies = Copies(environment, arguments);
  Shared<int32_t> words;
  uint64_t surface = 0;
  if (copies == nullptr || !arguments.Integer(1, "surface", 1, UINT32_MAX, &surface) ||
      !Words(arguments, info[2], "words", 1, &words)) {
    return;
  }
  const size_t count = copies->TakeBack(static_cast<uint32_t>(surface), &words[0], words.length());
  info.GetReturnValue().Set(static_cast<double>(count));
}

NAN_METHOD(PassWay) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("passWay", info);
  PassConnection* connection = Connection(environment, arguments);
  uint64_t way = 0;
  End from;
  End to;
  uint64_t most = 0;
  Shared<uint8_t> buffer;
  if (connection == nullptr || !arguments.Integer(1, "way", 0, kWays - 1, &way) || !arguments.Fd(2, "from", &from.fd) ||
      !arguments.Integer(3, "fromCarrier", 0, kCarriers - 1, &from.carrier) || !arguments.Fd(4, "to", &to.fd) ||
      !arguments.Integer(5, "toCarrier", 0, kCarriers - 1, &to.carrier) ||
      !arguments.Integer(6, "most", 1, kMostAtOnce, &most) ||
      !Numbers<v8::Uint8Array>(arguments, info[7], info[7]->IsUint8Array(), "buffer", 1, &buffer)) {
    return;
  }
  const auto poll = environment.watched.find(from.fd);
  if (poll == environment.watched.end()) return arguments.ThrowRange("from", "a descriptor that is polled");
  for (End* end : {&from, &to}) {
    if (end->carrier != kGpuChannel) continue;
    const auto channel = environment.gpuChannels.find(end->fd);
    if (channel == environment.gpuChannels.end()) return arguments.ThrowRange("fd", "one with a channel");
    end->channel = channel->second;
  }
  if (buffer.length() > INT32_MAX) return arguments.ThrowRange("buffer", "shorter than 2 GiB");
  connection->ways[way]->Connect(std::move(from), std::move(to), static_cast<size_t>(most), std::move(buffer));
  poll->second->SetIntake(connection->ways[way]);
}

NAN_METHOD(PassTake) {
  const Arguments arguments("passTake", info);
  PassConnection* connection = Connection(Environment::Of(info), arguments);
  uint64_t way = 0;
  v8::Local<v8::Array> array;
  if (connection == nullptr || !arguments.Integer(1, "way", 0, kWays - 1, &way) || !arguments.Array(2, "fds", &array)) {
    return;
  }
  connection->ways[way]->Deliver(info, array);
}

NAN_METHOD(ClosePass) {
  Environment& environment = Environment::Of(info);
  const Arguments arguments("closePass", info);
  PassConnection* connection = Connection(environment, arguments);
  uint64_t id = 0;
  if (connection == nullptr || !arguments.Integer(0, "pass", 1, UINT32_MAX, &id)) return;
  for (const std::shared_ptr<Way>& way : connection->ways) way->Disconnect();
  environment.passes.erase(static_cast<uint32_t>(id));
}

}  // namespace

void InitializePass(Environment& environment, v8::Local<v8::Object> target) {
  v8::Local<v8::Value> data = environment.Data();
  Nan::SetMethod(target, "openPassTypes", OpenPassTypes, data);
  Nan::SetMethod(target, "passType", PassType, data);
  Nan::SetMethod(target, "closePassTypes", ClosePassTypes, data);
  Nan::SetMethod(target, "openPass", OpenPass, data);
  Nan::SetMethod(target, "passRows", PassRowsPage, data);
  Nan::SetMethod(target, "passFree", PassFree, data);
  Nan::SetMethod(target, "passLedger", PassLedger, data);
  Nan::SetMethod(target, "passCopies", PassCopies, data);
  Nan::SetMethod(target, "passLend", PassLend, data);
  Nan::SetMethod(target, "passTakeBack", PassTakeBack, data);
  Nan::SetMethod(target, "passWay", PassWay, data);
  Nan::SetMethod(target, "passTake", PassTake, data);
  Nan::SetMethod(target, "closePass", ClosePass, data);
}

}  // namespace virtwl
