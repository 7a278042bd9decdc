/// \file  The commands, one file each.
#pragma once

#include <memory>

#include "cli/program.h"

namespace trilby::cli {

[[nodiscard]] std::unique_ptr<Command> make_up();
[[nodiscard]] std::unique_ptr<Command> make_serve();
[[nodiscard]] std::unique_ptr<Command> make_worker();
[[nodiscard]] std::unique_ptr<Command> make_init();
[[nodiscard]] std::unique_ptr<Command> make_invoke();
[[nodiscard]] std::unique_ptr<Command> make_check();
[[nodiscard]] std::unique_ptr<Command> make_inspect();
[[nodiscard]] std::unique_ptr<Command> make_compile();
[[nodiscard]] std::unique_ptr<Command> make_calls();
[[nodiscard]] std::unique_ptr<Command> make_doctor();
[[nodiscard]] std::unique_ptr<Command> make_selftest();
/// \param commands  all of them, this one included; read when it runs
[[nodiscard]] std::unique_ptr<Command> make_completion(const Commands& commands);

}  // namespace trilby::cli
