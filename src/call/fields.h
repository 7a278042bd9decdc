/// \file  Header fields of a request or an answer, attributes of an event.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace trilby {

struct Field {
  std::string name;
  std::string value;
};

/// Name-value pairs in the order they came. Names compare without case (RFC 9110 section 5.1) and may repeat.
/// Cost: lookups are linear; heads are bounded to 100 fields.
class Fields {
 public:
  Fields() = default;
  Fields(std::initializer_list<Field> fields) : fields_(fields) {}

  void add(std::string name, std::string value) { fields_.push_back({std::move(name), std::move(value)}); }
  /// Replaces every field of that name with one.
  void set(std::string_view name, std::string value);
  void remove(std::string_view name);
  /// Removes every field for which `unwanted(field)` is true.
  template <typename Predicate>
  void remove_if(const Predicate& unwanted) {
    std::erase_if(fields_, unwanted);
  }

  /// \return the first value; nullptr when there is none. Valid until the next change.
  [[nodiscard]] const std::string* find(std::string_view name) const;
  [[nodiscard]] std::size_t count(std::string_view name) const;

  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  [[nodiscard]] bool empty() const { return fields_.empty(); }
  [[nodiscard]] auto begin() const { return fields_.begin(); }
  [[nodiscard]] auto end() const { return fields_.end(); }
  void clear() { fields_.clear(); }
  void reserve(std::size_t count) { fields_.reserve(count); }

 private:
  std::vector<Field> fields_;
};

}  // namespace trilby
