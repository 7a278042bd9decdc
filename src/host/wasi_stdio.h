/// \file  What guests write to descriptors 1 and 2. Internal to host/.
#pragma once

#include <string_view>

#include "wasm/guest.h"

namespace trilby::host {

/// Both keep `text` as far as the limits allow; over that of standard output the guest ends with LimitOutput.
/// \return false when the guest must unwind
[[nodiscard]] bool write_output(wasm::Guest& guest, std::string_view text);
[[nodiscard]] bool write_errors(wasm::Guest& guest, std::string_view text);

}  // namespace trilby::host
