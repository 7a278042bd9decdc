/// \file  What a function may ask of Dapr, and what the names are made of that it asks with. No I/O.
///
/// A grant is NAME/REST: a component or an app, and what of it; a job's is its NAME alone. A '*' at its end stands for
/// whatever follows. Names hold neither '/' nor '*', so a grant covers what it is the same text as, or begins with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace trilby::policy {

inline constexpr std::size_t kMaxDaprName = 128;  ///< bytes of the name of a component, an app, an operation or a job
inline constexpr std::size_t kMaxDaprRest = 256;  ///< bytes of a key, a topic or a method

struct StateAccess {
  bool read = false;
  bool write = false;  ///< saving and deleting
};

/// Empty: nothing.
struct DaprGrants {
  using Texts = std::set<std::string, std::less<>>;
  Texts invoke;                                             ///< "APP/METHOD"
  Texts publish;                                            ///< "PUBSUB/TOPIC"
  Texts bindings;                                           ///< "BINDING/OPERATION"
  Texts secrets;                                            ///< "STORE/KEY"
  Texts actors;                                             ///< "TYPE/METHOD", of any id
  Texts configuration;                                      ///< "STORE/KEY"
  Texts locks;                                              ///< "STORE/RESOURCE"
  Texts jobs;                                               ///< "NAME"
  std::map<std::string, StateAccess, std::less<>> state{};  ///< "STORE/KEY"

  /// Whether there is nothing but, at most, apps to invoke.
  [[nodiscard]] bool only_invokes() const {
    return publish.empty() && bindings.empty() && secrets.empty() && actors.empty() && configuration.empty() &&
           locks.empty() && jobs.empty() && state.empty();
  }
  [[nodiscard]] bool empty() const { return invoke.empty() && only_invokes(); }
};

/// What REST is, in NAME/REST.
enum class DaprRest : std::uint8_t {
  Name,
  Key,
  Path,    ///< a topic, or a method of an app
  Secret,  ///< a key
  None,    ///< there is none: the name is all, as of a job
};

/// Letters, digits and "-._", no two points in a row, not "." alone: what may be one part of a path as it is.
[[nodiscard]] bool is_dapr_name(std::string_view text);
/// Of a state, a secret, a configuration, what is locked and who locks it: letters, digits and "-._~:@+=,", no two
/// points in a row, not "." alone. Nothing that a URL, a file system or a store (Dapr's "||") takes for more than a
/// letter.
[[nodiscard]] bool is_dapr_key(std::string_view text);
/// The same, but for what a sidecar takes for all secrets of a store: `secrets/STORE/bulk` is an address of its own.
[[nodiscard]] bool is_dapr_secret(std::string_view text);
/// A topic, or a method of an app: such keys with '/' between them, none empty.
[[nodiscard]] bool is_dapr_path(std::string_view text);
/// Whichever of these `kind` says.
[[nodiscard]] bool is_dapr_rest(std::string_view text, DaprRest kind);

/// Whether `grant` covers `wanted`, which is NAME/REST, or NAME.
[[nodiscard]] bool covers(std::string_view grant, std::string_view wanted);
[[nodiscard]] bool is_granted(const DaprGrants::Texts& grants, std::string_view wanted);
[[nodiscard]] bool may_read_state(const DaprGrants& grants, std::string_view wanted);
[[nodiscard]] bool may_write_state(const DaprGrants& grants, std::string_view wanted);
/// Whether there is any state of `store`, which is a name, that may be read, or written.
[[nodiscard]] bool may_read_store(const DaprGrants& grants, std::string_view store);
[[nodiscard]] bool may_write_store(const DaprGrants& grants, std::string_view store);

/// What keeps `text` from being a grant with such a REST; empty when nothing does.
[[nodiscard]] std::string_view grant_defect(std::string_view text, DaprRest kind);

}  // namespace trilby::policy
