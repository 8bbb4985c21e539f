#include "message_pass.h"

#include <cstring>
#include <utility>

namespace virtwl {

namespace {

constexpr uint32_t kHeaderBytes = 8;
constexpr uint32_t kMaxMessageBytes = 4096;

/** Whose an id is, in the second word of its row. 0 is nobody's; over 0 is the number of its type. */
constexpr int32_t kTypeScripts = -1;
/** Beside the type: the object was made here, and TypeScript has none for it. */
constexpr int32_t kMadeHere = 1 << 30;

/** What a request of own cost 1 takes of a VM's credit, in milliseconds: OWN_FOR_COST_MS of src/firewall/pace.ts. */
constexpr double kOwnForCostMs = 0.001;

/** Kinds of arguments in a description; in the bits above, whether it may be null, and its interface. */
enum ArgumentKind : uint32_t { kWord, kObject, kNewId, kString, kArray, kArgumentKinds };
constexpr uint32_t kKindMask = 7;
constexpr uint32_t kNullable = 8;
constexpr uint32_t kInterfaceShift = 4;

uint32_t ReadWord(const uint8_t* bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

void WriteWord(uint8_t* bytes, uint32_t word) { std::memcpy(bytes, &word, sizeof word); }

uint32_t Padded(uint32_t length) { return (length + 3) & ~3u; }

}  // namespace

void MessagePass::SetTables(Shared<int32_t> client, Shared<int32_t> server, Shared<int32_t> freeIds) {
  client_ = std::move(client);
  server_ = std::move(server);
  free_ = std::move(freeIds);
}

void MessagePass::SetLedger(Shared<double> vm, Shared<double> connection) {
  if (vm.length() < kLedgerEntries || connection.length() < kConnectionEntries) return;
  vm_ = std::move(vm);
  connection_ = std::move(connection);
}

/**
 * A description: the interface's number, the number of requests, the number of events; then for each message its kind,
 * its size in bytes or 0, its cost, its own cost, the number of its arguments, and the arguments.
 */
uint32_t MessagePass::AddType(const int32_t* description, size_t length) {
  size_t at = 0;
  const auto next = [&](uint32_t most, uint32_t* value) {
    if (at >= length || description[at] < 0 || static_cast<uint32_t>(description[at]) > most) return false;
    *value = static_cast<uint32_t>(description[at++]);
    return true;
  };
  constexpr uint32_t kMany = 1 << 16;
  Type type;
  uint32_t counts[2];
  if (!next(kMany, &type.interface) || !next(kMany, &counts[0]) || !next(kMany, &counts[1])) return 0;
  for (int way = 0; way < 2; way++) {
    for (uint32_t i = 0; i < counts[way]; i++) {
      Message message;
      uint32_t kind;
      uint32_t cost;
      uint32_t own;
      uint32_t arguments;
      if (!next(static_cast<uint32_t>(Kind::kDeleteId), &kind) || !next(kMaxMessageBytes, &message.size) ||
          !next(kMany, &cost) || !next(kMany, &own) || !next(kMaxMessageBytes / 4, &arguments)) {
        return 0;
      }
      message.kind = static_cast<Kind>(kind);
      message.cost = cost;
      message.own = own;
      for (uint32_t j = 0; j < arguments; j++) {
        uint32_t argument;
        if (!next(INT32_MAX, &argument) || (argument & kKindMask) >= kArgumentKinds) return 0;
        // What makes an object has a kind of its own.
        if ((argument & kKindMask) == kNewId && message.kind == Kind::kPlain) return 0;
        message.arguments.push_back(argument);
      }
      (way == 0 ? type.requests : type.events).push_back(std::move(message));
    }
  }
  if (at != length || types_.size() >= kMany) return 0;
  types_.push_back(std::move(type));
  return static_cast<uint32_t>(types_.size());
}

bool MessagePass::Look(const Shared<int32_t>& table, uint32_t id, Row* row) const {
  const size_t place = static_cast<size_t>(id) * 2;
  if (place + 1 >= table.length()) return false;
  const int32_t whose = table[place + 1];
  if (whose <= 0) return false;
  const uint32_t type = static_cast<uint32_t>(whose & ~kMadeHere);
  if (type == 0 || type > types_.size()) return false;
  row->other = static_cast<uint32_t>(table[place]);
  row->type = &types_[type - 1];
  row->made = (whose & kMadeHere) != 0;
  return row->other != 0;
}

void MessagePass::Set(const Shared<int32_t>& table, uint32_t id, uint32_t other, int32_t whose) {
  const size_t place = static_cast<size_t>(id) * 2;
  table[place] = static_cast<int32_t>(other);
  table[place + 1] = whose;
}

void MessagePass::Count(PassWord word, int32_t more) {
  words_[word] = static_cast<int32_t>(static_cast<uint32_t>(words_[word]) + static_cast<uint32_t>(more));
}

size_t MessagePass::Requests(uint8_t* bytes, size_t length) { return Take(client_, true, bytes, length); }

size_t MessagePass::Events(uint8_t* bytes, size_t length) { return Take(server_, false, bytes, length); }

size_t MessagePass::Take(const Shared<int32_t>& table, bool request, uint8_t* bytes, size_t length) {
  size_t at = 0;
  while (length - at >= kHeaderBytes) {
    const uint32_t size = ReadWord(bytes + at + 4) >> 16;
    if (length - at < size || !Pass(table, request, bytes + at, size)) break;
    at += size;
  }
  return at;
}

bool MessagePass::Pass(const Shared<int32_t>& table, bool request, uint8_t* bytes, uint32_t size) {
  if (size < kHeaderBytes || size > kMaxMessageBytes || (size & 3) != 0) return false;
  Row row;
  if (!Look(table, ReadWord(bytes), &row)) return false;
  const std::vector<Message>& messages = request ? row.type->requests : row.type->events;
  const uint32_t opcode = ReadWord(bytes + 4) & 0xffff;
  if (opcode >= messages.size()) return false;
  const Message& message = messages[opcode];
  if (message.kind == Kind::kNone || !Check(message, bytes, size)) return false;
  if (request && !Admits(message)) return false;
  // Nothing is written before everything about the message is known to be right.
  if (message.kind == Kind::kSync) {
    if (!Sync(bytes)) return false;
  } else if (message.kind == Kind::kDeleteId) {
    if (!DeleteId(bytes)) return false;
  } else {
    for (auto& [place, argument] : places_) {
      const uint32_t id = ReadWord(bytes + place);
      const uint32_t wanted = argument >> kInterfaceShift;
      Row named = {};
      if (id != 0 && (!Look(table, id, &named) || (wanted != 0 && wanted != named.type->interface))) return false;
      argument = named.other;
    }
    for (const auto& [place, id] : places_) WriteWord(bytes + place, id);
    if (row.made) Count(kAnswers, 1);
  }
  WriteWord(bytes, row.other);
  if (request) Spend(message);
  return true;
}

bool MessagePass::Check(const Message& message, const uint8_t* bytes, uint32_t size) {
  places_.clear();
  if (message.size != 0 && size != message.size) return false;
  uint32_t at = kHeaderBytes;
  for (const uint32_t argument : message.arguments) {
    if (size - at < 4) return false;
    const uint32_t word = ReadWord(bytes + at);
    const bool nullable = (argument & kNullable) != 0;
    switch (argument & kKindMask) {
      case kObject:
      case kNewId:
        if (word == 0 && !nullable) return false;
        places_.emplace_back(at, argument);
        break;
      case kString:
        if (word == 0) {
          if (!nullable) return false;
          break;
        }
        [[fallthrough]];
      case kArray:
        // What is left is whole words, so where the last byte fits, its padding does.
        if (word > size - at - 4) return false;
        if ((argument & kKindMask) == kString) {
          // Ended by its only NUL.
          const void* nul = std::memchr(bytes + at + 4, 0, word);
          if (nul != bytes + at + 4 + word - 1) return false;
        }
        at += Padded(word);
        break;
      default:
        break;
    }
    at += 4;
  }
  return at == size;
}

/**
 * As `VmPace` and `ConnectionPace` of src/firewall/pace.ts do. What the compositor would be asked about is
 * TypeScript's, and so is the first thing that is owed, by which a VM knows its connections that owe.
 */
bool MessagePass::Admits(const Message& message) const {
  if (vm_.length() == 0) return true;
  const double ahead = vm_[kAhead];
  const double window = vm_[kWindow];
  const double unasked = connection_[kOwnUnasked];
  if (vm_[kRests] != 0 || !(ahead < window) || !(vm_[kCredit] >= 0) || !(unasked > 0)) return false;
  const bool welcome = unasked >= vm_[kAskAfter] / 2 || vm_[kUnasked] >= window / 4 || ahead >= window * 3 / 4;
  if (message.kind == Kind::kSync && welcome) return false;
  return unasked + message.cost < vm_[kAskAfter];
}

void MessagePass::Spend(const Message& message) {
  if (vm_.length() == 0) return;
  if (vm_[kTurn] != connection_[kNumber]) {
    vm_[kTurn] = connection_[kNumber];
    vm_[kTurnCost] = 0;
  }
  connection_[kOwnUnasked] += message.cost;
  vm_[kUnasked] += message.cost;
  vm_[kAhead] += message.cost;
  vm_[kTurnCost] += message.cost;
  vm_[kCredit] -= message.own * kOwnForCostMs;
  vm_[kSpoke] = 1;
}

/** A callback, by an id that the client has used before, and by the one of ours that came free last. */
bool MessagePass::Sync(uint8_t* bytes) {
  const uint32_t id = ReadWord(bytes + kHeaderBytes);
  const size_t place = static_cast<size_t>(id) * 2;
  const int32_t length = words_[kClientLength];
  if (callbackType_ == 0 || id == 0 || length < 0 || id >= static_cast<uint32_t>(length)) return false;
  if (place + 1 >= client_.length() || client_[place + 1] != 0) return false;
  const int32_t count = words_[kFreeCount];
  if (count <= 0 || static_cast<size_t>(count) > free_.length()) return false;
  const uint32_t serverId = static_cast<uint32_t>(free_[static_cast<size_t>(count) - 1]);
  const size_t serverPlace = static_cast<size_t>(serverId) * 2;
  if (serverId == 0 || serverPlace + 1 >= server_.length() || server_[serverPlace + 1] != 0) return false;
  words_[kFreeCount] = count - 1;
  const int32_t whose = static_cast<int32_t>(callbackType_) | kMadeHere;
  Set(client_, id, serverId, whose);
  Set(server_, serverId, id, whose);
  Count(kCallbacks, 1);
  WriteWord(bytes + kHeaderBytes, serverId);
  return true;
}

/** The end of an object that was made here: its ids are free on both sides. */
bool MessagePass::DeleteId(uint8_t* bytes) {
  const uint32_t serverId = ReadWord(bytes + kHeaderBytes);
  Row row;
  if (!Look(server_, serverId, &row) || !row.made) return false;
  const size_t place = static_cast<size_t>(row.other) * 2;
  if (place + 1 >= client_.length() || static_cast<uint32_t>(client_[place]) != serverId) return false;
  const int32_t reused = words_[kFirstReused];
  const int32_t count = words_[kFreeCount];
  if (reused < 0 || serverId < static_cast<uint32_t>(reused)) return false;
  if (count < 0 || static_cast<size_t>(count) >= free_.length()) return false;
  free_[static_cast<size_t>(count)] = static_cast<int32_t>(serverId);
  words_[kFreeCount] = count + 1;
  Set(server_, serverId, 0, 0);
  Set(client_, row.other, 0, 0);
  Count(kCallbacks, -1);
  WriteWord(bytes + kHeaderBytes, row.other);
  return true;
}

}  // namespace virtwl
