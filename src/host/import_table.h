/// \file  Lists of host functions, from which both linking and advice about imports are made. Internal to host/.
#pragma once

#include <string_view>

#include "wasm/prepared.h"

namespace trilby::host {

struct ImportItem {
  std::string_view name;
  void (*define)(const wasm::Linker& linker, std::string_view module, std::string_view name);
};

}  // namespace trilby::host
