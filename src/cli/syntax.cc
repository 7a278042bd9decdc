#include "cli/syntax.h"

namespace trilby::cli {

std::string_view Option::long_name() const {
  const std::size_t comma = names.find(',');
  return comma == std::string::npos ? std::string_view(names) : std::string_view(names).substr(comma + 1);
}

std::string_view Option::short_name() const {
  const bool has_short = names.size() >= 2 && names[0] == '-' && names[1] != '-';
  return has_short ? std::string_view(names).substr(0, 2) : std::string_view();
}

}  // namespace trilby::cli
