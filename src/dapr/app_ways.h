/// \file  How one app reaches Dapr, for the functions that it calls.
#pragma once

#include <string_view>

#include "call/call.h"
#include "dapr/building_blocks.h"
#include "dapr/service_invocation.h"

namespace trilby::dapr {

/// Threading: loop-bound. Ownership: what it refers to outlives it, and it outlives the calls of the app.
struct AppWays {
  std::string_view app_id;
  ServiceInvocation& invocation;
  BuildingBlocks* blocks;  ///< null: the app has no sidecar
};

}  // namespace trilby::dapr
