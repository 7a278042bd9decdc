/// \file  What a guest names when it asks Dapr for something, decoded and checked. All of it is hostile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/dapr_grants.h"
#include "wasm/guest_memory.h"

namespace trilby::host {

/// A text where the guest keeps it.
struct Span {
  std::uint32_t at = 0;
  std::uint32_t length = 0;
};

// Valid until the guest runs again. What they hold needs no escaping to be one part of a URL's path each, and no part
// of it leads up or away (policy/dapr_grants.h).

/// NAME/REST: a component, a topic, a key; a job is NAME alone.
struct DaprAddress {
  std::string_view name;
  std::string_view rest;

  [[nodiscard]] std::string text() const;  ///< as grants have it
};

struct DaprMethod {
  DaprAddress address;     ///< app-id and method
  std::string_view query;  ///< without the '?'
  std::string_view verb;
};

using policy::DaprRest;

/// \return nothing when anything lies outside of the memory, or is made of what it must not be made of
[[nodiscard]] std::optional<DaprAddress> decode_address(const wasm::GuestMemory& memory, Span name, Span rest,
                                                        DaprRest kind);
[[nodiscard]] std::optional<std::string_view> decode_key(const wasm::GuestMemory& memory, Span key);
/// `method` may have a query behind a '?'. `verb`: GET, POST, PUT, PATCH or DELETE.
[[nodiscard]] std::optional<DaprMethod> decode_method(const wasm::GuestMemory& memory, Span app, Span method,
                                                      Span verb);
/// A content type; empty: "application/octet-stream".
[[nodiscard]] std::optional<std::string_view> decode_content_type(const wasm::GuestMemory& memory, Span type);

inline constexpr std::size_t kMaxOperations = 128;  ///< in one transaction
inline constexpr std::size_t kMaxKeys = 100;        ///< that are read at once

/// A JSON text that names keys, and which these are: at least one, each once, in its order.
struct KeyedText {
  std::string text;
  std::vector<std::string> keys;
  /// Those of them whose state decides whether they are changed, so that the answer tells of it: with an etag, or
  /// "first-write".
  std::vector<std::string> compared{};
};

/// A transaction of an actor's state, as Dapr has it: [{"operation":"upsert","request":{"key":"k","value":1}},
/// {"operation":"delete","request":{"key":"l"}}]. \return the same, with nothing in it but that; nothing when it is not
/// of this form, when its keys are not keys, or when one is there twice
[[nodiscard]] std::optional<std::string> checked_operations(std::string_view text);
/// The same of an app's states, where a request may also have "etag":"7", "options":{"concurrency":"first-write",
/// "consistency":"strong"} and, when it saves, "metadata":{"ttlInSeconds":"60"}.
[[nodiscard]] std::optional<KeyedText> checked_transaction(std::string_view text);
/// ["k","l"]
[[nodiscard]] std::optional<KeyedText> checked_keys(std::string_view text);
/// What a reminder is made of: {"dueTime":"10s","period":"1m","ttl":"1h","data":1}, each of them or not.
/// \return the same, with nothing in it but that; nothing when it is not of this form
[[nodiscard]] std::optional<std::string> checked_recurrence(std::string_view text);
/// What a job is made of: {"schedule":"@every 1m","dueTime":"10s","repeats":5,"ttl":"1h","data":1,"overwrite":true,
/// "failurePolicy":{"constant":{"interval":"5s","maxRetries":3}}}, each of them or not, but one of the first two.
/// \return the same, with nothing in it but that, and data that are null where there are none; nothing when it is not
/// of this form
[[nodiscard]] std::optional<std::string> checked_job(std::string_view text);

}  // namespace trilby::host
