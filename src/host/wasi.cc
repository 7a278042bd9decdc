#include "host/wasi.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <ctime>
#include <span>
#include <tuple>

#include "host/host.h"
#include "host/import_table.h"
#include "host/wasi_poll.h"
#include "host/wasi_random.h"
#include "host/wasi_stdio.h"
#include "host/wasi_types.h"
#include "wasm/host_function.h"

namespace trilby::host {
namespace {

using wasm::Guest;

constexpr std::uint32_t kMaxIovecs = 1024;  // IOV_MAX

// --- arguments and environment ---

std::uint32_t args_sizes_get(Guest& guest, std::uint32_t count_at, std::uint32_t size_at) {
  const auto size = static_cast<std::uint32_t>(guest.host<Host>().program.size() + 1);
  return guest.memory().store(count_at, std::uint32_t{1}) && guest.memory().store(size_at, size) ? kSuccess : kFault;
}

std::uint32_t args_get(Guest& guest, std::uint32_t pointers_at, std::uint32_t text_at) {
  const std::string_view program = guest.host<Host>().program;
  const auto text = guest.memory().slice(text_at, program.size() + 1);
  if (!text || !guest.memory().store(pointers_at, text_at)) {
    return kFault;
  }
  *std::transform(program.begin(), program.end(), text->begin(), [](char c) { return static_cast<std::byte>(c); }) =
      std::byte{0};
  return kSuccess;
}

std::uint32_t environ_sizes_get(Guest& guest, std::uint32_t count_at, std::uint32_t size_at) {
  const Host& host = guest.host<Host>();
  const auto count = static_cast<std::uint32_t>(host.environment.count() + host.request.count());
  const auto size = static_cast<std::uint32_t>(host.environment.block().size() + host.request.block().size());
  return guest.memory().store(count_at, count) && guest.memory().store(size_at, size) ? kSuccess : kFault;
}

/// Writes the variables of `from`, and where each begins. The two places go on to behind them.
bool put_variables(const wasm::GuestMemory& memory, const policy::Environment& from, std::uint64_t& pointers_at,
                   std::uint64_t& text_at) {
  std::string_view block = from.block();
  const auto pointers = memory.slice(pointers_at, from.count() * sizeof(std::uint32_t));
  const auto text = memory.slice(text_at, block.size());
  if (!pointers || !text) {
    return false;
  }
  wasm::GuestMemory::copy(std::as_bytes(std::span(block)), *text);
  while (!block.empty()) {
    const std::size_t length = block.find('\0') + 1;
    std::ignore = memory.store(pointers_at, static_cast<std::uint32_t>(text_at));
    pointers_at += sizeof(std::uint32_t);
    text_at += length;
    block.remove_prefix(length);
  }
  return true;
}

std::uint32_t environ_get(Guest& guest, std::uint32_t pointers_at, std::uint32_t text_at) {
  const Host& host = guest.host<Host>();
  std::uint64_t pointers = pointers_at;
  std::uint64_t text = text_at;
  const bool put = put_variables(guest.memory(), host.environment, pointers, text) &&
                   put_variables(guest.memory(), host.request, pointers, text) && guest.charge((text - text_at) / 1024);
  return put ? kSuccess : kFault;
}

// --- clocks ---

std::uint32_t clock_res_get(Guest& guest, std::uint32_t id, std::uint32_t resolution_at) {
  if (id > kMonotonic) {
    return id > kThreadCpu ? kInval : kNotsup;
  }
  return guest.memory().store(resolution_at, guest.host<Host>().clock.resolution()) ? kSuccess : kFault;
}

std::uint32_t clock_time_get(Guest& guest, std::uint32_t id, std::uint64_t /*precision*/, std::uint32_t time_at) {
  if (id > kMonotonic) {
    return id > kThreadCpu ? kInval : kNotsup;
  }
  return guest.memory().store(time_at, guest.host<Host>().clock.read(static_cast<ClockId>(id))) ? kSuccess : kFault;
}

// --- descriptors 0 to 2 ---

bool is_open(const Guest& guest, std::uint32_t fd) {
  return fd < 3 && guest.host<Host>().stdio.open[fd];
}

/// Calls `each` with every piece of guest memory that the vectors name. Stops early when `each` returns false.
template <typename Each>
Errno for_each_piece(Guest& guest, std::uint32_t vectors_at, std::uint32_t count, Each each) {
  if (count > kMaxIovecs) {
    return kInval;
  }
  const auto vectors = guest.memory().slice(vectors_at, std::uint64_t{count} * sizeof(Iovec));
  if (!vectors) {
    return kFault;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    // Read anew each time: an earlier piece may overlap the vectors.
    const auto vector = guest.memory().load<Iovec>(std::uint64_t{vectors_at} + std::uint64_t{i} * sizeof(Iovec));
    const auto piece = vector ? guest.memory().slice(vector->at, vector->length) : std::nullopt;
    if (!piece) {
      return kFault;
    }
    if (!each(*piece)) {
      break;
    }
  }
  return kSuccess;
}

std::uint32_t fd_read(Guest& guest, std::uint32_t fd, std::uint32_t vectors_at, std::uint32_t count,
                      std::uint32_t read_at) {
  if (fd != 0 || !is_open(guest, fd)) {
    return kBadf;
  }
  Stdio& stdio = guest.host<Host>().stdio;
  const std::size_t before = stdio.input_at;
  const Errno error = for_each_piece(guest, vectors_at, count, [&](std::span<std::byte> piece) {
    const std::size_t length = std::min(piece.size(), stdio.input.size() - stdio.input_at);
    wasm::GuestMemory::copy(std::as_bytes(std::span(stdio.input).subspan(stdio.input_at, length)), piece);
    stdio.input_at += length;
    return guest.charge(length / 1024) && length == piece.size();
  });
  if (error != kSuccess) {
    return error;
  }
  return guest.memory().store(read_at, static_cast<std::uint32_t>(stdio.input_at - before)) ? kSuccess : kFault;
}

}  // namespace

bool write_output(Guest& guest, std::string_view text) {
  Stdio& stdio = guest.host<Host>().stdio;
  if (text.size() > stdio.output_limit.count - stdio.output.size()) {
    guest.unwind(Reason::LimitOutput);
    return false;
  }
  stdio.output += text;
  return guest.charge(text.size() / 1024);
}

bool write_errors(Guest& guest, std::string_view text) {
  Stdio& stdio = guest.host<Host>().stdio;
  const std::size_t kept = std::min<std::uint64_t>(text.size(), stdio.errors_limit.count - stdio.errors.size());
  stdio.errors += text.substr(0, kept);
  stdio.errors_dropped += text.size() - kept;
  return guest.charge(kept / 1024);
}

namespace {

std::uint32_t fd_write(Guest& guest, std::uint32_t fd, std::uint32_t vectors_at, std::uint32_t count,
                       std::uint32_t written_at) {
  if (fd == 0 || !is_open(guest, fd)) {
    return kBadf;
  }
  std::uint64_t written = 0;
  const Errno error = for_each_piece(guest, vectors_at, count, [&](std::span<std::byte> piece) {
    const std::string_view text(reinterpret_cast<const char*>(piece.data()), piece.size());
    written += text.size();
    return fd == 1 ? write_output(guest, text) : write_errors(guest, text);
  });
  if (error != kSuccess) {
    return error;
  }
  // Pieces may overlap, so their sum may not fit its type; nobody can have meant that.
  return guest.memory().store(written_at, static_cast<std::uint32_t>(std::min<std::uint64_t>(written, 0xFFFFFFFFU)))
             ? kSuccess
             : kFault;
}

std::uint32_t fd_close(Guest& guest, std::uint32_t fd) {
  if (!is_open(guest, fd)) {
    return kBadf;
  }
  guest.host<Host>().stdio.open[fd] = false;
  return kSuccess;
}

std::uint32_t fd_fdstat_get(Guest& guest, std::uint32_t fd, std::uint32_t status_at) {
  if (!is_open(guest, fd)) {
    return kBadf;
  }
  const Fdstat status{.filetype = kFiletypeUnknown,
                      .flags = 0,
                      .rights_base = (fd == 0 ? kRightRead : kRightWrite) | kRightStat | kRightPoll,
                      .rights_inheriting = 0};
  return guest.memory().store(status_at, status) ? kSuccess : kFault;
}

std::uint32_t fd_fdstat_set_flags(Guest& guest, std::uint32_t fd, std::uint32_t /*flags*/) {
  return is_open(guest, fd) ? kSuccess : kBadf;  // nothing here blocks, and everything appends
}

std::uint32_t fd_filestat_get(Guest& guest, std::uint32_t fd, std::uint32_t status_at) {
  if (!is_open(guest, fd)) {
    return kBadf;
  }
  return guest.memory().store(status_at, Filestat{}) ? kSuccess : kFault;
}

std::uint32_t fd_seek(Guest& guest, std::uint32_t fd, std::uint64_t /*offset*/, std::uint32_t /*whence*/,
                      std::uint32_t /*at*/) {
  return is_open(guest, fd) ? kSpipe : kBadf;
}

std::uint32_t fd_tell(Guest& guest, std::uint32_t fd, std::uint32_t /*at*/) {
  return is_open(guest, fd) ? kSpipe : kBadf;
}

// --- process ---

void proc_exit(Guest& guest, std::uint32_t code) {
  guest.exit(static_cast<int>(code));
}

void sched_yield(Guest& guest) {
  guest.work([](Guest& yielding) {
    yielding.work([](Guest& back) {
      back.complete(kSuccess);
      return true;
    });
    return false;
  });
}

template <auto function>
constexpr auto kSync = &wasm::define<function>;
template <auto function>
constexpr auto kAsync = &wasm::define_async<function>;

constexpr std::array<ImportItem, 19> kReal = {{
    {"args_get", kSync<args_get>},
    {"args_sizes_get", kSync<args_sizes_get>},
    {"clock_res_get", kSync<clock_res_get>},
    {"clock_time_get", kSync<clock_time_get>},
    {"environ_get", kSync<environ_get>},
    {"environ_sizes_get", kSync<environ_sizes_get>},
    {"fd_close", kSync<fd_close>},
    {"fd_fdstat_get", kSync<fd_fdstat_get>},
    {"fd_fdstat_set_flags", kSync<fd_fdstat_set_flags>},
    {"fd_filestat_get", kSync<fd_filestat_get>},
    {"fd_read", kSync<fd_read>},
    {"fd_seek", kSync<fd_seek>},
    {"fd_tell", kSync<fd_tell>},
    {"fd_write", kSync<fd_write>},
    {"poll_oneoff", kAsync<poll_oneoff>},
    {"proc_exit", kSync<proc_exit>},
    {"random_get", kAsync<random_get>},
    {"sched_yield", kAsync<sched_yield>},
    // Descriptors that a guest may ask for are numbered from 3 until the first EBADF.
    {"fd_prestat_get", kSync<+[](Guest&, std::uint32_t, std::uint32_t) -> std::uint32_t { return kBadf; }>},
}};

/// Functions that have one answer for everybody.
struct Refusal {
  std::string_view name;
  std::string_view params;  // i: i32, I: i64
  Errno error;
};

constexpr std::array<Refusal, 27> kRefused = {{
    {"fd_advise", "iIIi", kBadf},
    {"fd_allocate", "iII", kBadf},
    {"fd_datasync", "i", kBadf},
    {"fd_fdstat_set_rights", "iII", kBadf},
    {"fd_filestat_set_size", "iI", kBadf},
    {"fd_filestat_set_times", "iIIi", kBadf},
    {"fd_pread", "iiiIi", kBadf},
    {"fd_prestat_dir_name", "iii", kBadf},
    {"fd_pwrite", "iiiIi", kBadf},
    {"fd_readdir", "iiiIi", kBadf},
    {"fd_renumber", "ii", kBadf},
    {"fd_sync", "i", kBadf},
    {"path_create_directory", "iii", kNotcapable},
    {"path_filestat_get", "iiiii", kNotcapable},
    {"path_filestat_set_times", "iiiiIIi", kNotcapable},
    {"path_link", "iiiiiii", kNotcapable},
    {"path_open", "iiiiiIIii", kNotcapable},
    {"path_readlink", "iiiiii", kNotcapable},
    {"path_remove_directory", "iii", kNotcapable},
    {"path_rename", "iiiiii", kNotcapable},
    {"path_symlink", "iiiii", kNotcapable},
    {"path_unlink_file", "iii", kNotcapable},
    {"proc_raise", "i", kNotsup},
    {"sock_accept", "iii", kNotcapable},
    {"sock_recv", "iiiiii", kNotcapable},
    {"sock_send", "iiiii", kNotcapable},
    {"sock_shutdown", "ii", kNotcapable},
}};
static_assert(kReal.size() + kRefused.size() == 46, "wasi_snapshot_preview1 has 46 functions");

wasm_trap_t* refuse(void* refusal, wasmtime_caller_t* caller, wasmtime_val_raw_t* raw, std::size_t /*count*/) noexcept {
  const auto& answer = *static_cast<const Refusal*>(refusal);
  Guest& guest = Guest::of(caller);
  if (guest.charge(1) && answer.error == kNotcapable) {
    guest.host<Host>().deny(answer.name.starts_with("sock_") ? Grant::Socket : Grant::Directory, answer.name);
  }
  raw[0].i32 = static_cast<std::int32_t>(answer.error);
  return wasm::unwind_if_told(guest);
}

bool is_about_files(std::string_view name) {
  return name.starts_with("fd_") || name.starts_with("path_");
}

/// Defines the functions for whose names `wanted` says yes.
template <typename Wanted>
void define_some(const wasm::Linker& linker, const Wanted& wanted) {
  for (const ImportItem& item : kReal) {
    if (wanted(item.name)) {
      item.define(linker, kWasiModule, item.name);
    }
  }
  for (const Refusal& item : kRefused) {
    if (!wanted(item.name)) {
      continue;
    }
    std::array<wasm_valkind_t, 9> params{};
    std::transform(item.params.begin(), item.params.end(), params.begin(),
                   [](char c) { return c == 'I' ? WASM_I64 : WASM_I32; });
    const auto type = wasm::detail::make_functype(std::span(params).first(item.params.size()), true);
    wasm::detail::define(linker, kWasiModule, item.name, *type, refuse, const_cast<Refusal*>(&item));
  }
}

}  // namespace

void define_wasi(const wasm::Linker& linker) {
  define_some(linker, [](std::string_view) { return true; });
}

void define_wasi_without_files(const wasm::Linker& linker) {
  define_some(linker, [](std::string_view name) { return !is_about_files(name); });
}

bool wasi_provides(std::string_view name) {
  const auto is_it = [&](const auto& item) { return item.name == name; };
  return std::any_of(kReal.begin(), kReal.end(), is_it) || std::any_of(kRefused.begin(), kRefused.end(), is_it);
}

}  // namespace trilby::host
