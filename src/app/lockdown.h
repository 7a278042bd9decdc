/// \file  The outer wall: what a process gives up, for good, before it serves. Should a guest ever break out of its
/// sandbox, it finds itself in a process that cannot start programs, open files it was not given, or reach out.
/// docs/lockdown.md tells operators about it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trilby::app {

enum class Layer : std::uint8_t {
  NoNewPrivs,    ///< no program that is run could gain rights
  NoCoreDumps,   ///< memory reaches no file and no debugger of the same user
  Capabilities,  ///< none is held, and none can be had
  Landlock,      ///< of the file system only what was named; no TCP port
  Seccomp,       ///< only the system calls that serving needs
  NonRoot,       ///< not the superuser; nothing that lock_down() can change
};
inline constexpr std::size_t kLayerCount = 6;
inline constexpr std::array<Layer, kLayerCount> kLayers = {Layer::NoNewPrivs, Layer::NoCoreDumps, Layer::Capabilities,
                                                           Layer::Landlock,   Layer::Seccomp,     Layer::NonRoot};

/// "no_new_privs", as logs, metrics and `trilby doctor` write it.
[[nodiscard]] std::string_view name(Layer layer);

struct LayerState {
  bool on = false;
  std::string detail;  ///< how much of it ("ABI 7"), or why it is off
};

/// What is in force.
struct Lockdown {
  std::array<LayerState, kLayerCount> layers;

  [[nodiscard]] LayerState& operator[](Layer layer) { return layers.at(static_cast<std::size_t>(layer)); }
  [[nodiscard]] const LayerState& operator[](Layer layer) const { return layers.at(static_cast<std::size_t>(layer)); }
};

/// What the process still has to do afterwards. Everything else is refused.
struct LockdownNeeds {
  std::vector<std::filesystem::path> read;        ///< files, and folders with all that is below them
  std::vector<std::filesystem::path> read_write;  ///< folders, in which files may also be made, renamed and removed
  std::vector<std::uint16_t> connect_ports;  ///< TCP ports that may be connected to, on any host. Empty: no sockets
  bool native_code = false;  ///< makes executable memory while it serves: inference engines do, Wasmtime does not
};

/// Gives up everything but `needs`. Afterwards the process can start no program and no other process, open nothing but
/// `needs`, trace nothing, and get no right back; what it has open stays open. Threads that exist and threads that come
/// later are bound alike. A layer that the kernel does not have stays off, with the reason in its detail.
/// Threading: any thread; no thread may block every signal, and none may be in the middle of opening what it will need.
/// Cost: a signal to each thread, and one descriptor that stays open.
/// \return Reason::Internal when the kernel has a layer but did not put it in force; the process should end then, for
///         it may be bound in part
[[nodiscard]] Result<Lockdown> lock_down(const LockdownNeeds& needs);

/// What lock_down() would put in force here. Changes nothing.
[[nodiscard]] Lockdown probe_lockdown();

}  // namespace trilby::app
