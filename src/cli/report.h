/// \file  What commands print: errors, tables, documents.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace trilby::cli {

/// Says on standard error what went wrong, as "trilby: ...", and what mends it, as "try: ...". Each line of the message
/// names the program, but those that begin with a space go on with the one before.
/// \param mend  may be empty \return the exit code of the error's reason
int report(const Error& error, std::string_view mend = {});

/// Writes to standard output, all of it. \return 0, or 70 (said on standard error) when it cannot be written
[[nodiscard]] int print(std::string_view text);

/// The same to standard error, where nobody is told of a failure.
void print_error(std::string_view text);

enum class Style : std::uint8_t { Bad, Good, Dim };
/// `text` in colour, where a person looks at `descriptor` and did not set NO_COLOR.
[[nodiscard]] std::string styled(std::string_view text, Style style, int descriptor);

/// Columns as wide as their widest cell; the last one is not padded.
/// \param rows  the first one is the heading; all have the same number of cells
[[nodiscard]] std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace trilby::cli
