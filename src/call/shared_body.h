/// \file  Bytes that are sent more than once, and kept once.
#pragma once

#include <memory>
#include <string>

#include "call/body.h"

namespace trilby {

/// Never null. What holds the bytes may hold more, as a share of a budget.
using SharedBytes = std::shared_ptr<const std::string>;

/// A body of all of `bytes`, given in pieces, each a copy.
[[nodiscard]] std::unique_ptr<BodySource> make_shared_body(SharedBytes bytes);

}  // namespace trilby
