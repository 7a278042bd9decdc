// What a sidecar, or whoever takes its place, can send over gRPC: framing, metadata, and messages with what publishers
// put into them.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/protobuf.h"
#include "base/text.h"
#include "http/grpc.h"
#include "policy/environment.h"
#include "triggers/app_callback.h"

namespace {

using trilby::ProtobufCursor;
using trilby::ProtobufWriter;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void check_event(const trilby::Result<trilby::triggers::Event>& event) {
  if (!event) {
    require(event.error().reason == trilby::Reason::BadRequest || event.error().reason == trilby::Reason::HeadTooLarge);
    return;
  }
  trilby::policy::Environment environment;
  for (const trilby::Field& variable : event->variables) {
    require(trilby::policy::is_variable_name(variable.name) && event->variables.count(variable.name) == 1);
    require(environment.add(variable.name, variable.value).has_value());
    require(trilby::is_utf8(variable.value));
  }
}

template <typename Message>
void check_message(const trilby::Result<Message>& read) {
  if (read) {
    check_event(read->event);
  } else {
    require(read.error().reason == trilby::Reason::BadRequest);
  }
}

/// What is walked lies in the message, and is read the same when it is written anew.
void check_wire(std::string_view message) {
  std::string again;
  bool is_whole = true;
  ProtobufCursor field(message);
  while (field.next()) {
    if (const auto bytes = field.bytes()) {
      require(bytes->empty() || (bytes->data() >= message.data() && bytes->end() <= message.end()));
      ProtobufWriter(again).bytes(field.number(), *bytes);
    } else if (const auto integer = field.integer()) {
      ProtobufWriter(again).integer(field.number(), *integer);
    } else {
      is_whole = false;
    }
  }
  if (field.is_malformed() || !is_whole) {
    return;
  }
  require(again.size() <= message.size());
  ProtobufCursor one(message);
  ProtobufCursor other(again);
  while (one.next()) {
    require(other.next() && one.number() == other.number() && one.bytes() == other.bytes() &&
            one.integer() == other.integer());
  }
  require(!other.next() && !other.is_malformed());
}

void check_framing(const std::string& text) {
  if (const auto message = trilby::http::only_grpc_message(text)) {
    require(trilby::http::grpc_prefix(static_cast<std::uint32_t>(message->size())) + std::string(*message) == text);
  }
  const auto timeout = trilby::http::grpc_timeout({{"grpc-timeout", text}});
  require(!timeout || *timeout >= trilby::Duration::zero());
  const auto response = trilby::http::grpc_error(trilby::http::GrpcStatus::Internal, text, {{text, text}});
  for (const trilby::Field& field : response.fields) {
    require(std::all_of(field.value.begin(), field.value.end(), [](char c) { return c >= 0x20 && c <= 0x7E; }));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_framing(text);
  check_wire(text);
  check_message(trilby::triggers::read_topic_message(text));
  check_message(trilby::triggers::read_binding_message(text));
  check_message(trilby::triggers::read_job_message(text));
  if (const auto invoke = trilby::triggers::read_invoke_message(text)) {
    require(!invoke->verb.empty());
  }
  if (const auto bulk = trilby::triggers::read_bulk_message(text)) {
    for (const auto& entry : bulk->entries) {
      check_event(trilby::triggers::read_bulk_event(entry));
    }
  }
  return 0;
}
