/// \file  What a function is given and allowed, as the manifest writes it.
#pragma once

#include <filesystem>
#include <vector>

#include "app/manifest.h"
#include "app/manifest_route.h"
#include "app/manifest_section.h"

namespace trilby::app {

inline constexpr std::size_t kMaxValueBytes = 32U << 10U;  ///< of a variable's or a secret's value

/// Reads [function.NAME.env]: variables with their values.
void read_variables(Section& section, Function& function);
/// Reads [function.NAME.allow].
/// \param folder where relative paths begin
void read_grants(Section& section, const DefinedNames& names, const std::filesystem::path& folder, Function& function);
/// The directories of the host that any function is granted, each once; granted to be written to when one may. For
/// whoever closes the rest of the file system to the process.
[[nodiscard]] std::vector<policy::Directory> granted_directories(const Manifest& manifest);

/// Notes variables of `function` that more than one thing gives a value to. Call it when all of the function was read.
void check_variables(const Section& section, const Function& function);

}  // namespace trilby::app
